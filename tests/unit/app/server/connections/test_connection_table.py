"""Which connections end, when, and for whom."""

from __future__ import annotations

import pytest

from app.server.connections.connection_table import SPARE_CONNECTIONS, ConnectionTable

KEEPALIVE_S = 75


class FakeConnection:
    """Notes how it is closed."""

    def __init__(self) -> None:
        self.kept = self.begun = self.surplus = False
        self.heard_at = 0.0
        self.left = 0
        self.closed = ""

    def unsent(self) -> int:
        return self.left

    def end(self) -> None:
        self.closed = "ended"

    def abort(self) -> None:
        self.closed = "aborted"


@pytest.fixture
def table():
    return ConnectionTable(4, KEEPALIVE_S)


@pytest.fixture
def admit(table):
    """Admit a connection, at a time."""

    def admit(now=0.0) -> FakeConnection:
        connection = FakeConnection()
        assert table.admit(connection, now)
        return connection

    return admit


@pytest.fixture
def connection(admit):
    return admit()


def keep(table, connection, now=0.0):
    """Have a connection answered, and wait for its next request."""
    table.receive(connection)
    table.answer(connection)
    connection.kept = True
    table.wait(connection, now)


@pytest.mark.parametrize("begun", [False, True])
def test_a_head_has_five_seconds(table, connection, begun):
    """However long connections are kept between requests."""
    connection.begun = begun
    table.close_overdue(5.0, draining=False)
    assert "" == connection.closed

    table.close_overdue(5.1, draining=False)
    assert "ended" == connection.closed


def test_a_connection_is_kept_between_requests(table, connection):
    """As long as is set."""
    keep(table, connection, 10.0)
    table.close_overdue(10.0 + KEEPALIVE_S, draining=False)
    assert "" == connection.closed

    table.close_overdue(10.1 + KEEPALIVE_S, draining=False)
    assert "ended" == connection.closed


def test_a_next_head_has_its_time_from_when_it_began(table, connection):
    """A long wait before does not count."""
    keep(table, connection)
    connection.kept, connection.begun = False, True
    table.wait(connection, 70.0)
    table.close_overdue(74.0, draining=False)
    assert "" == connection.closed

    table.close_overdue(75.1, draining=False)
    assert "ended" == connection.closed


def test_every_idle_connection_is_closed(table, admit):
    """Those after the first as well."""
    idle = [admit() for _ in range(4)]
    table.close_overdue(9.0, draining=False)

    assert ["ended"] * 4 == [connection.closed for connection in idle]


def test_connections_that_are_kept_leave_room_for_others(table, admit):
    """Of more than half of a worker's places, the longest idle are closed before their time."""
    idle = [admit() for _ in range(3)]
    for now, connection in enumerate(idle):
        keep(table, connection, float(now))
    table.close_overdue(9.0, draining=False)

    assert ["ended", "", ""] == [connection.closed for connection in idle]


@pytest.mark.parametrize("do", ["receive", "answer"])
def test_a_connection_with_a_head_is_not_idle(table, connection, do):
    """However long its body or its answer takes."""
    table.receive(connection)
    if do == "answer":
        table.answer(connection)
    table.close_overdue(9999.0, draining=True)

    assert "" == connection.closed


def test_a_worker_that_ends_waits_for_no_idle_connection(table, admit):
    """Only for those on which a request has begun to come, and as long as otherwise."""
    fresh, begun, kept = (admit() for _ in range(3))
    begun.begun = True
    keep(table, kept)
    table.close_overdue(1.0, draining=True)
    assert ["", "", ""] == [fresh.closed, begun.closed, kept.closed]

    table.close_overdue(1.1, draining=True)
    assert ["ended", "", "ended"] == [fresh.closed, begun.closed, kept.closed]


@pytest.mark.parametrize(
    ("heard_at", "now", "closed"),
    [(100.0, 105.0, ""), (100.0, 105.1, "aborted"), (129.0, 130.0, ""), (130.0, 130.1, "aborted")],
    ids=["silent", "silent for long", "sends", "sends for long"],
)
def test_a_refused_client_has_its_time_to_read(table, connection, heard_at, now, closed):
    """It is let go when it falls silent, and in any case at last."""
    table.receive(connection)
    table.linger(connection, 100.0)
    connection.heard_at = heard_at
    table.close_overdue(now, draining=False)

    assert closed == connection.closed


def test_it_has_it_though_it_was_slow_before(table, connection):
    """It is no stalled one any more."""
    connection.left = 1000
    table.receive(connection)
    table.stall(connection, 0.0)
    connection.left = 0
    table.linger(connection, 1.0)
    connection.heard_at = 1.0
    table.close_overdue(1.5, draining=False)
    table.close_overdue(3.0, draining=False)

    assert "" == connection.closed


def test_a_worker_that_ends_waits_for_it_no_longer_than_for_others(table, connection):
    """It has had the chance."""
    table.linger(connection, 0.0)
    table.close_overdue(1.1, draining=True)

    assert "aborted" == connection.closed


def test_a_client_that_takes_nothing_of_its_answer_is_let_go(table, connection):
    """One that takes a little of it is not."""
    connection.left = 1000
    table.stall(connection, 0.0)
    table.close_overdue(29.0, draining=False)
    connection.left = 999
    table.close_overdue(31.0, draining=False)
    table.close_overdue(61.0, draining=False)
    assert "" == connection.closed

    table.close_overdue(61.1, draining=False)
    assert "aborted" == connection.closed


def test_one_that_has_taken_all_is_not_watched(table, connection):
    """It may take its time before it asks again."""
    connection.left = 1000
    table.receive(connection)
    table.answer(connection)
    table.stall(connection, 0.0)
    table.go_on(connection)
    table.close_overdue(9999.0, draining=False)

    assert "" == connection.closed


def test_a_client_need_not_say_goodbye(table, connection):
    """Over TLS it is asked to, and is not waited for."""
    table.stall(connection, 0.0)
    table.close_overdue(1.0, draining=False)
    assert "" == connection.closed

    table.close_overdue(1.1, draining=False)
    assert "aborted" == connection.closed


def test_newcomers_find_a_place_while_others_do_little(table, admit):
    """Those who have been refused make way first, and those who are being answered never."""
    lingering, waiting, receiving, stalled = (admit() for _ in range(4))
    for connection in (lingering, receiving, stalled):
        table.receive(connection)
    table.linger(lingering, 0.0)
    table.answer(stalled)
    table.stall(stalled, 0.0)
    order = []
    for _ in range(4):
        newcomer = admit()
        table.receive(newcomer)
        table.answer(newcomer)
        order += [
            c for c in (lingering, waiting, receiving, stalled) if c.closed and c not in order
        ]

    assert [lingering, waiting, receiving, stalled] == order
    assert 4 == len(table.open)


def test_the_longest_idle_makes_way_first(table, admit):
    """It is the least likely to ask again."""
    idle = [admit(float(now)) for now in range(4)]
    keep(table, idle[0], 9.0)
    newcomer = admit(10.0)

    assert ["", "aborted", "", ""] == [connection.closed for connection in idle]
    assert not newcomer.surplus


@pytest.fixture
def busy(table, admit):
    """Fill a table with connections that are being answered."""
    for _ in range(4):
        answer(table, admit())


def answer(table, connection):
    table.receive(connection)
    table.answer(connection)


@pytest.mark.usefixtures("busy")
def test_some_more_are_taken_in_while_all_are_answered(admit):
    """They are marked: a few places are left for operators."""
    more = [admit() for _ in range(SPARE_CONNECTIONS)]

    assert all(connection.surplus for connection in more)
    assert {""} == {connection.closed for connection in more}


@pytest.mark.usefixtures("busy")
def test_those_make_way_for_each_other(table, admit):
    """Once there are too many; where all are answered, nobody else is taken in."""
    more = [admit() for _ in range(SPARE_CONNECTIONS)]
    one_more = admit()
    assert "aborted" == more[0].closed
    assert one_more.surplus

    for connection in (*more[1:], one_more):
        answer(table, connection)
    assert not table.admit(FakeConnection(), 0.0)
    assert 4 + SPARE_CONNECTIONS == len(table.open)


@pytest.mark.usefixtures("busy")
def test_a_place_that_is_free_again_is_taken(table, admit):
    """By a newcomer, that is no surplus one then."""
    surplus = admit()
    table.wait(next(iter(table.open)), 0.0)
    newcomer = admit()

    assert ("", True, False) == (surplus.closed, surplus.surplus, newcomer.surplus)


def test_nothing_is_left_of_a_connection_that_is_gone(table, connection):
    """Whatever it did."""
    table.receive(connection)
    table.stall(connection, 0.0)
    table.linger(connection, 0.0)
    table.forget(connection)
    table.forget(connection)
    table.close_overdue(9999.0, draining=True)

    assert "" == connection.closed
    assert {} == table.open
