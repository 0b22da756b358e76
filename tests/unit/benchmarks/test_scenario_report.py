"""What the scenarios say about their records."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.scenarios.load import LOST, RECORD, TIMED_OUT
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, tally, took
from tests.benchmarks.scenarios.under_load import between, longest_silence_s


def records(*rows):
    """Make records of (sent, done, status), each due when it was sent."""
    made = np.zeros(len(rows), RECORD)
    for name, column in zip(("sent", "done", "status"), zip(*rows, strict=True), strict=True):
        made[name] = column
    made["intended"] = made["sent"]
    return made


def test_a_report_says_what_holds_and_what_was_missed():
    """A line without a wish has no verdict."""
    report = Report("Title")
    report.add("one", "1", "1", holds=True)
    report.add("two", "1", "2", holds=False)
    report.add("three", "1")

    assert [
        "| one | 1 | 1 | holds |",
        "| two | 1 | 2 | **missed** |",
        "| three | 1 |  |  |",
    ] == report.markdown().splitlines()[-3:]


def test_a_report_is_written_as_json(tmp_path, capsys):
    """The same lines, beside the table on stdout."""
    report = Report("Title")
    report.add("one", "1", "2", holds=False)

    report.finish(tmp_path / "report.json")

    line = {"what": "one", "measured": "1", "wanted": "2", "holds": False}
    expected = {"title": "Title", "lines": [line]}
    assert expected == json.loads((tmp_path / "report.json").read_text())
    assert report.markdown() + "\n" == capsys.readouterr().out


def test_statuses_are_counted_and_what_was_no_answer_is_named():
    """Failures are all but 200."""
    found = records((0, 1, 200), (0, 1, 429), (0, 1, LOST), (0, 1, TIMED_OUT), (0, 1, 200))

    assert "timed out: 1, lost: 1, 200: 2, 429: 1" == tally(found["status"])
    assert "timed out: 1, lost: 1, 429: 1" == failures(found)
    assert not failures(found[:1])
    assert "none" == tally(found[:0]["status"])


def test_latency_is_that_of_predictions():
    """A refusal's does not count; of nothing there is none."""
    found = records((1, 1.25, 200), (1, 9, 429), (1, 1.25, 200))

    assert [0.25, 0.25] == took(found).tolist()
    assert "250.0 / 250.0 ms" == p50_p99(took(found))
    assert "nan / nan ms" == p50_p99(took(found[:0]))


def test_silence_is_the_time_without_a_prediction():
    """Refusals do not break it."""
    found = records((0, 1, 200), (0, 2, 503), (0, 4, 200), (0, 5, 200))

    assert 3 == longest_silence_s(found)


@pytest.mark.parametrize(("start", "end", "expected"), [(1, 3, [1, 2]), (3, 9, [3]), (4, 9, [])])
def test_records_are_picked_by_when_they_were_sent(start, end, expected):
    """The end is left out."""
    found = records((0, 9, 200), (1, 9, 200), (2, 9, 200), (3, 9, 200))

    assert expected == between(found, start, end)["sent"].tolist()
