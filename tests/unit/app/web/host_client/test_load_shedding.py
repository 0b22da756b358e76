"""Which requests a web worker refuses by itself."""

from __future__ import annotations

import pytest

from app.ipc.frames import Refusal, Refused
from app.web.host_client.load_shedding import Shedding

FULL = Refused(Refusal.OVERLOADED, 0.4, "10 images are waiting; the limit is 10")


@pytest.fixture
def shedding(clock) -> Shedding:
    return Shedding(clock)


def test_nothing_is_refused_that_the_host_did_not_refuse(shedding, clock):
    """Not even a request whose deadline has passed: others know better."""
    assert shedding.rejection(1000, clock.now - 1) is None


@pytest.mark.parametrize(
    ("rows", "left_s", "expected"),
    [(8, 2, FULL), (9, 2, FULL), (8, 1.5, FULL), (7, 2, None), (8, 2.5, None), (1, 9, None)],
)
def test_what_is_no_easier_to_take_is_refused(shedding, clock, rows, left_s, expected):
    """As many images and as little time, in the host's words; anything else is asked."""
    shedding.note(8, 2.0, FULL)

    assert expected == shedding.rejection(rows, clock.now + left_s)


@pytest.mark.parametrize(
    ("wait_s", "holds_s"),
    [(100, 0.05), (0.2, 0.05), (0.1, 0.025)],
    ids="the queue empties in {} s".format,
)
def test_a_refusal_holds_for_a_moment(shedding, clock, wait_s, holds_s):
    """A quarter of what the queue takes to empty, and never long: the host must not run dry."""
    shedding.note(1, 2.0, Refused(Refusal.OVERLOADED, wait_s, "full"))
    told = []
    for after_s in (holds_s - 0.001, 0.002):
        clock.tick(after_s)
        told.append(shedding.rejection(1, clock.now) is not None)

    assert [True, False] == told


def test_without_a_measured_wait_the_host_is_asked(shedding, clock):
    """It has computed nothing yet, and may be quick."""
    shedding.note(1, 2.0, Refused(Refusal.OVERLOADED, 0.0, "full"))

    assert shedding.rejection(1, clock.now) is None


def test_refusals_of_what_was_sent_together_do_not_add_up(shedding, clock):
    """Each holds from the first that came back, however many follow."""
    for _ in range(4):
        shedding.note(2, 2.0, FULL)
        clock.tick(0.015)

    assert shedding.rejection(2, clock.now) is None


def test_the_refusal_of_an_easier_request_holds_for_more(shedding, clock):
    """A single image that is refused says more than the 64 before it."""
    shedding.note(64, 2.0, FULL)
    shedding.note(1, 2.0, FULL)

    assert FULL == shedding.rejection(1, clock.now + 2)
