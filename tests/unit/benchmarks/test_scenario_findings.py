"""The scenarios see what they look for: wrong answers, broken rules, growth."""

from __future__ import annotations

import asyncio
import os

import numpy as np
import orjson
import pytest

from tests.benchmarks.scenarios.counts import Counts
from tests.benchmarks.scenarios.faults import Scene, _tell_worker
from tests.benchmarks.scenarios.images import as_raw, picks
from tests.benchmarks.scenarios.invariance import Found, _check
from tests.benchmarks.scenarios.load import LOST, RECORD, Measured, Open
from tests.benchmarks.scenarios.overload import Trial, _recovery_s
from tests.benchmarks.scenarios.processes import Usage, cores, usage
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.soak import slope_mib_per_min
from tests.benchmarks.scenarios.wire import Reply

ALONE = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)


def checked(probabilities, *, name="mine", status=200):
    """Compare an answer with what its images got alone."""
    predictions = [{"probabilities": row} for row in np.asarray(probabilities).tolist()]
    head = b"HTTP/1.1 200 OK\r\nX-Request-Id: mine\r\n"
    found = Found()

    async def answer():
        return Reply(status, head, orjson.dumps({"predictions": predictions}))

    asyncio.run(_check(answer(), name, ALONE, 1e-5, found))
    return found


def test_an_answer_that_is_the_same_as_alone_is_right():
    """Nothing is noted but how many there were."""
    assert Found(requests=1, images=2) == checked(ALONE)


def test_answers_in_each_others_place_are_seen():
    """Both images are off."""
    found = checked(ALONE[::-1])

    assert (2, pytest.approx(0.7)) == (found.mismatches, found.largest)


def test_a_small_difference_is_seen():
    """One just over the tolerance counts, one under it does not."""
    off = ALONE.astype(np.float64)
    off[0, 0] += 2e-5
    off[1, 0] += 5e-6

    assert 1 == checked(off).mismatches


@pytest.mark.parametrize("answer", [{"name": "another"}, {"probabilities": ALONE[:1]}])
def test_an_answer_to_another_request_is_seen(answer):
    """It has another id, or another number of images."""
    found = checked(**{"probabilities": ALONE} | answer)

    assert (1, 0) == (found.strangers, found.images)


def test_a_request_without_answer_is_counted():
    """It is neither right nor wrong."""
    assert Found(requests=1, refused=1) == checked(ALONE, status=429)


def excused(failed, doomed):
    """Return the verdict on (port, status) of failures while workers with these clients died."""
    found = np.zeros(len(failed) + 2, RECORD)
    found["status"] = 200
    found["done"] = np.arange(len(found))
    found["port"][2:], found["status"][2:] = zip(*failed, strict=True) if failed else ((), ())
    report = Report("faults")
    scene = Scene(report, seconds=1, every_s=1, clients=1, host_timeout_s=1)
    _tell_worker(scene, "killed", Measured(0, found, {}, 0, 1), doomed)
    return report.markdown().endswith("| holds |")


@pytest.mark.parametrize(
    ("failed", "holds"),
    [
        ([], True),
        ([(7, LOST), (8, LOST)], True),
        ([(9, LOST)], False),
        ([(7, 503)], False),
        ([(7, LOST), (7, LOST)], False),
    ],
    ids=["none", "its own", "another's", "an answer", "twice"],
)
def test_only_a_killed_workers_connections_may_fail(failed, holds):
    """Once each, and by their end."""
    assert holds == excused(failed, [{7}, {8}])


def recovery(latencies, statuses=200):
    """Return the recovery of a flood from second 1 to 2, with 100 probes a second until 3."""
    probe = np.zeros(300, RECORD)
    probe["intended"] = np.arange(300) / 100
    probe["status"] = statuses
    probe["done"] = probe["intended"] + latencies
    flood = Open(requests=[], rate=1, seconds=1, start_s=1)
    measured = Measured(0, probe, {}, 0, 1)
    trial = Trial(
        flood=flood,
        capacity=1,
        deadline_s=1,
        images=1,
        measured=measured,
        samples=[],
        counted=Counts({}, 0, 0, 0),
    )
    return _recovery_s(probe, trial)


def test_recovery_ends_when_half_a_second_was_normal():
    """Normal is at most twice the p99 before; one slow probe among normal ones starts it anew."""
    latencies = np.full(300, 0.005)
    assert 0 == recovery(latencies)

    latencies[150:230] = 0.02
    latencies[240] = 0.02
    assert pytest.approx(0.41) == recovery(latencies)


def test_a_service_that_refuses_has_not_recovered():
    """However fast it does."""
    statuses = np.full(300, 200)
    statuses[150:] = 429

    assert recovery(np.full(300, 0.005), statuses) is None


def test_growth_is_a_slope():
    """In MiB per minute, whatever the clock says at first."""
    at_s = [1e6, 1e6 + 30, 1e6 + 60]

    assert pytest.approx(4) == slope_mib_per_min(at_s, [10, 12, 14])
    assert np.isnan(slope_mib_per_min(at_s[:1], [10]))


def test_a_process_is_looked_at():
    """This one has memory, descriptors and threads; one that is gone is none."""
    mine = usage(os.getpid(), "tests")

    assert mine.pss_mib > 1
    assert mine.fds >= 3
    assert mine.threads >= 1
    assert usage(2**22 + 1, "nobody") is None


def test_shares_of_a_core_are_taken_within_the_time():
    """Samples outside of it do not count."""
    looks = [(0, 0), (10, 5), (14, 7), (20, 20)]
    samples = [[Usage(1, "host", at, 0, 0, 0, cpu_s)] for at, cpu_s in looks]

    assert "host 50%" == cores(samples, 5, 15)


def test_counts_are_those_in_between():
    """A reason that was not there before counts from nothing."""
    before = Counts({"expired": 1.0}, 10, 1, 0.5)
    after = Counts({"expired": 3.0, "failed": 1.0}, 30, 2, 0.75)

    assert Counts({"expired": 2.0, "failed": 1.0}, 20, 1, 0.25) == after.since(before)


def test_bodies_are_the_images_own_bytes():
    """Each turn takes the next images, going round."""
    images = np.arange(5, dtype=np.uint8)[:, None, None] + np.zeros((1, 28, 28), np.uint8)

    assert [3, 4, 0] == picks(images, 3, 1)[:, 0, 0].tolist()
    assert as_raw(images[:2]).endswith(bytes(784) + b"\1" * 784)
