"""The batch curve: which sizes are worth using, and how work that waits is cut."""

from __future__ import annotations

import pytest

from app.host.batching.cost_model import BatchCostModel, batch_sizes, measure

COMPACT = {1: 0.00008, 2: 0.00014, 4: 0.00026, 8: 0.0005, 16: 0.00105, 32: 0.002, 64: 0.0041}
"""Seconds of a small network on one core: a third of a batch of one is the call itself."""
DENSE = {1: 0.0008, 2: 0.0009, 4: 0.0011, 8: 0.0017, 16: 0.0031, 32: 0.0062, 64: 0.0127}
"""Seconds of a network whose weights cost more to read than an image does to compute."""


@pytest.mark.parametrize(
    ("max_batch", "expected"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (64, [1, 2, 4, 8, 16, 32, 64]), (5, [1, 2, 4, 5])],
)
def test_the_sizes_are_powers_of_two(max_batch, expected):
    """And the largest batch."""
    assert expected == batch_sizes(max_batch)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (COMPACT, 32),
        (DENSE, 16),
        ({1: 1.0, 2: 2.0, 4: 4.0}, 1),
        ({1: 1.0, 2: 1.0, 4: 1.0}, 4),
        ({1: 0.0, 2: 0.0, 4: 0.0}, 4),
        ({1: 1.0, 2: 1.92, 4: 3.84}, 1),
        ({1: 1.0, 2: 1.8, 4: 3.55}, 2),
        ({3: 0.5}, 3),
    ],
    ids=[
        "a small network",
        "a dense network",
        "batching does not pay",
        "larger batches cost nothing",
        "calls too short to measure",
        "four per cent are not worth it",
        "ten per cent are",
        "one size",
    ],
)
def test_the_limit_is_where_the_rate_stops_rising(seconds, expected):
    """Beyond it a batch takes longer, and hardly more images are answered in a second."""
    assert expected == BatchCostModel(seconds).limit


def test_only_sizes_up_to_the_limit_are_worth_preparing():
    """The rest of the curve is known and not used."""
    costs = BatchCostModel(DENSE)

    assert ([1, 2, 4, 8, 16], list(DENSE)) == (costs.sizes, list(costs.seconds))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (COMPACT, 2),
        (DENSE, 4),
        ({1: 1.0, 2: 2.1, 4: 4.2}, 1),
        ({1: 1.0, 2: 1.0, 4: 1.0}, 4),
        ({1: 1.0, 2: 1.5, 4: 2.0, 8: 2.1}, 4),
    ],
    ids=[
        "a small network",
        "a dense network",
        "batching does not pay",
        "larger batches cost nothing",
        "just twice as long",
    ],
)
def test_a_brief_curve_makes_small_batches(seconds, expected):
    """None takes more than twice as long as one image, or is larger than is worth making."""
    assert expected == BatchCostModel(seconds).short_batches().limit


def test_a_disturbed_measurement_is_mended():
    """A small batch that took longer than a larger one had to wait for the processor."""
    costs = BatchCostModel({1: 0.5, 2: 5.0, 4: 1.0, 8: 2.0})

    assert {1: 0.5, 2: 1.0, 4: 1.0, 8: 2.0} == costs.seconds


def test_one_bad_measurement_does_not_make_the_limit_absurd():
    """Whichever size it hits, the limit is at most one size off."""
    limits = {BatchCostModel(COMPACT | {size: s * 10}).limit for size, s in COMPACT.items()}

    assert {32, 64} == limits


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (COMPACT, {1: 1, 2: 2, 3: 3, 5: 4, 7: 7, 9: 8, 12: 8, 15: 15, 31: 31, 32: 32, 99: 32}),
        (DENSE, {1: 1, 3: 3, 5: 5, 9: 8, 12: 8, 14: 14, 16: 16, 4096: 16}),
        ({1: 1.0, 2: 2.0}, {1: 1, 2: 1, 99: 1}),
        (COMPACT, {0: 0}),
    ],
    ids=["a small network", "a dense network", "batching does not pay", "nothing waits"],
)
def test_a_backlog_is_cut_where_that_is_cheaper_than_padding(seconds, expected):
    """Nine images cost a small network less as eight and one than as sixteen."""
    costs = BatchCostModel(seconds)

    assert expected == {waiting: costs.next_batch_size(waiting) for waiting in expected}


def test_cutting_a_backlog_never_costs_more_than_padding_it():
    """Whatever waits, the batches made of it take no longer than one that holds it all."""
    turn_s = 0.0001
    for seconds in (COMPACT, DENSE):
        costs = BatchCostModel(seconds)
        for backlog in range(1, costs.limit + 1):
            spent, waiting = 0.0, backlog
            while waiting:
                taken = costs.next_batch_size(waiting)
                spent += next(s for n, s in seconds.items() if n >= taken) + turn_s
                waiting -= taken
            padded = next(s for n, s in seconds.items() if n >= backlog) + turn_s
            assert spent <= padded + 1e-12


def test_a_curve_reads_in_milliseconds():
    """For the log."""
    assert "1: 0.50 ms, 2: 0.75 ms" == str(BatchCostModel({2: 0.00075, 1: 0.0005}))


class Calls:
    """Calls that take the time they are told to, and can be disturbed."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.command: list[int] = []
        self.disturbed: set[int] = set()

    def make(self, key: int, seconds: float):
        def call():
            self.command.append(key)
            self.clock.tick(seconds * (5 if len(self.command) in self.disturbed else 1))

        return call


@pytest.fixture
def calls(clock) -> Calls:
    return Calls(clock)


def test_the_least_time_of_several_counts(calls, clock):
    """Calls take turns, so that what disturbs one round disturbs all of them alike."""
    calls.disturbed = {1, 3, 5, 6, 7, 8}
    measured = measure({1: calls.make(1, 0.5), 2: calls.make(2, 0.75)}, clock)

    assert {1: 0.5, 2: 0.75} == measured
    assert [1, 1, 2, 2, 1, 1, 2, 2] == calls.command


def test_measuring_ends_with_its_budget(calls, clock):
    """A slow model is called four times at each size, a quick one more often."""
    measure({1: calls.make(1, 60.0)}, clock)
    measure({2: calls.make(2, 0.02)}, clock)
    measure({3: calls.make(3, 0.0)}, clock)

    assert (4, 8, 24) == tuple(calls.command.count(key) for key in (1, 2, 3))
