"""The pure parts of the chaos scenario: its plan, its judges, and what breaks an invariant."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import orjson
import pytest

from tests.benchmarks.scenarios.chaos.growth import Held, files_below, grown
from tests.benchmarks.scenarios.chaos.invariants import (
    Happened,
    Invariant,
    by_event,
    classify,
    examine,
)
from tests.benchmarks.scenarios.chaos.judging import FrontJudge
from tests.benchmarks.scenarios.chaos.plan import events
from tests.benchmarks.scenarios.chaos.telling import shortly_before
from tests.benchmarks.scenarios.load import LOST, TIMED_OUT, UNCONNECTED, Note
from tests.benchmarks.scenarios.processes import Usage
from tests.benchmarks.scenarios.wire import Reply

KINDS = ("kill host", "publish good", "SIGHUP")
EXPECTED = np.array([[[0.9, 0.1]], [[0.1, 0.9]]], np.float32)
"""Of two variants, about one request."""
KILLED = Happened(1, "kill host", "host 7", 10.0, 10.1, 2.0, refuses=True)
PUBLISHED = Happened(2, "publish good", "version 2", 20.0, 20.5, 1.0, refuses=False)
VARIANTS = {1: "good-0", 2: "good-1", 3: None}
USAGE = Usage(1, "host", 0.0, 100.0, 20, 9, 1.0)


def replied(status, document, *headers):
    """Make a reply of a JSON document."""
    head = "\r\n".join([f"HTTP/1.1 {status} X", *headers, ""])
    return Reply(status, head.encode(), orjson.dumps(document))


def predicted(*probabilities, version=1):
    """Make an answer of /predict."""
    predictions = [{"probabilities": list(probabilities)}]
    return replied(200, {"model": {"version": version}, "predictions": predictions})


def judge(reply, front="JSON"):
    """Judge a reply to the only request."""
    return FrontJudge(front, ("good-0", "good-1"), EXPECTED)(0, reply)


def note(said="answer 1 good-0", *, status=200, done=15.0, port=1):
    """Make a note of a request that took a second."""
    return Note(0, port, done - 1, done, status, said)


def broken(*notes, doomed=()):
    """Return the invariants that these requests break."""
    found = examine(notes, [KILLED, PUBLISHED], doomed, VARIANTS)
    return [finding.invariant for finding in found]


def test_a_seed_makes_the_same_events_again():
    """Another seed makes others, and every kind comes once before any comes again."""
    first, again, other = (list(islice(events(seed, KINDS), 9)) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert list(range(1, 10)) == [event.number for event in first]
    for turn in range(0, 9, 3):
        assert Counter(KINDS) == Counter(event.kind for event in first[turn : turn + 3])


def test_an_event_decides_the_same_again():
    """Its length is between the bounds, and its dice fall alike."""
    event = next(events(1, KINDS))

    assert 2.0 <= event.lasts_s(2.0, 3.0) <= 3.0
    assert event.dice().random() == event.dice().random()


@pytest.mark.parametrize(
    ("front", "reply"),
    [
        ("JSON", predicted(0.1, 0.9, version=7)),
        ("raw", predicted(0.1, 0.9, version=7)),
        ("v1", replied(200, {"predictions": [[0.1, 0.9]]}, "Glyph-Version: 7")),
        ("v2", replied(200, {"model_version": "7", "outputs": [{"data": [0.1, 0.9]}]})),
    ],
)
def test_an_answer_is_known_by_its_probabilities(front, reply):
    """On every front, whatever version it names."""
    assert "answer 7 good-1" == judge(reply, front)


@pytest.mark.parametrize(
    "reply",
    [
        predicted(0.5, 0.5),
        predicted(0.9, 0.1, 0.0),
        replied(200, {"predictions": []}),
        replied(500, {"error": "oops"}),
        replied(404, {"error": "there is no model mnist"}),
        replied(503, {"error": "later"}),
        replied(503, {"error": "later"}, "Retry-After: soon"),
        replied(503, {"error": "later"}, "Retry-After: 0"),
        replied(503, {"detail": "later"}, "Retry-After: 1"),
        replied(503, {"error": ""}, "Retry-After: 1"),
        replied(503, ["later"], "Retry-After: 1"),
        Reply(503, b"HTTP/1.1 503 X\r\nRetry-After: 1\r\n", b"<html>"),
    ],
)
def test_what_is_not_documented_is_wrong(reply):
    """Answers of nobody, other statuses, other shapes, and no word of when to try again."""
    assert judge(reply).startswith("wrong: ")


@pytest.mark.parametrize(
    ("status", "headers"),
    [(408, ()), (429, ("Retry-After: 2",)), (503, ("Retry-After: 1",)), (504, ())],
)
def test_a_documented_refusal_is_known(status, headers):
    """By its status, its sentence, and its Retry-After where another try helps."""
    assert f"refusal {status}" == judge(replied(status, {"error": "a sentence"}, *headers))


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (note(), "answer"),
        (note("refusal 503", status=503), "refusal 503"),
        (note("wrong: 500", status=500), "wrong"),
        (note("reset", status=LOST, port=5), "lost with its worker"),
        (note("reset", status=LOST, port=6), "lost: reset"),
        (note("reset", status=LOST, port=5, done=17.5), "lost: reset"),
        (note("ConnectionRefusedError", status=UNCONNECTED), "not connected"),
        (note("", status=TIMED_OUT), "timed out"),
    ],
)
def test_a_request_is_classified(given, outcome):
    """A lost connection is the killed worker's if it was its own, and then."""
    assert outcome == classify(given, [(15.0, {5})])


def test_what_is_allowed_breaks_nothing():
    """Right answers, refusals while a process is replaced, and a killed worker's connections."""
    refused = note("refusal 503", status=503)
    lost = note("closed", status=LOST, port=5)

    assert [] == broken(note(), refused, lost, note("answer 2 good-1"), doomed=[(15.0, {5})])


@pytest.mark.parametrize(
    ("given", "invariant"),
    [
        (note("answer 2 good-0"), Invariant.RIGHT),
        (note("answer 3 good-0"), Invariant.RIGHT),
        (note("answer 9 good-0"), Invariant.RIGHT),
        (note("wrong: no version's"), Invariant.RIGHT),
        (note("wrong: 500", status=500), Invariant.DOCUMENTED),
        (note("reset", status=LOST), Invariant.CONNECTED),
        (note("ConnectionRefusedError", status=UNCONNECTED), Invariant.CONNECTED),
        (note("", status=TIMED_OUT), Invariant.ENDED),
        (note("refusal 503", status=503, done=21.0), Invariant.UNHARMED),
        (note("refusal 503", status=503, done=5.0), Invariant.UNHARMED),
    ],
)
def test_what_is_not_allowed_breaks_an_invariant(given, invariant):
    """Each kind of failure its own."""
    assert [invariant] == broken(given)


def test_requests_are_counted_with_the_event_that_they_fell_to():
    """The last that had begun; what came before the first is no event's."""
    notes = [note(done=5.0), note(done=10.0), note("refusal 503", status=503), note(done=30.0)]

    counts = by_event(notes, [KILLED, PUBLISHED], [])

    assert {"kill host": {"answer": 1, "refusal 503": 1}, "publish good": {"answer": 1}} == counts


def test_events_shortly_before_are_told():
    """Those that had begun, until twenty seconds after the service was whole again."""
    assert [KILLED] == shortly_before(19.0, [KILLED, PUBLISHED])
    assert [KILLED, PUBLISHED] == shortly_before(32.0, [KILLED, PUBLISHED])
    assert [PUBLISHED] == shortly_before(33.0, [KILLED, PUBLISHED])


def test_what_has_grown_is_told():
    """Memory, descriptors, threads and files; what varies by chance is not."""
    before = Held([USAGE], Counter({"counter_N.db": 2}))
    same = Held([replace(USAGE, fds=24, threads=11, pss_mib=120.0)], Counter({"lock": 1}))
    more = Held([replace(USAGE, fds=90, threads=40, pss_mib=400.0)], Counter({"counter_N.db": 3}))

    assert [] == grown(before, same)
    assert [
        "memory 100 -> 400 MiB",
        "host: 20 -> 90 descriptors",
        "host: 9 -> 40 threads",
        "counter_N.db in the run directory: 2 -> 3",
    ] == grown(before, more)


def test_files_are_counted_without_their_numbers(tmp_path):
    """Files of one process are those of another."""
    (tmp_path / "metrics").mkdir()
    for name in ("metrics/counter_1.db", "metrics/counter_23.db", "host.sock"):
        (tmp_path / name).touch()

    assert {"metrics": 1, "metrics/counter_N.db": 2, "host.sock": 1} == files_below(tmp_path)
