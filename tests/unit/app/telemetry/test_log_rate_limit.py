"""Lines of one kind are few, and what is left out is told with the next one."""

from __future__ import annotations

from app.telemetry.log_rate_limit import LogRateLimit


def test_so_many_lines_of_a_kind_are_written_in_a_second():
    """The others are left out, until a second has passed; then it is told how many there were."""
    lines = LogRateLimit(2)

    assert [0, 0, None, None] == [lines.take("full", now) for now in (5.0, 5.1, 5.2, 5.9)]
    assert [2, 0, None] == [lines.take("full", now) for now in (6.0, 6.5, 6.9)]


def test_kinds_are_counted_apart():
    """A flood of one does not hide another."""
    lines = LogRateLimit(1)

    assert [0, None, 0] == [lines.take(kind, 5.0) for kind in ("full", "full", "broken")]


def test_what_was_left_out_is_told_once():
    """And counts from then on anew."""
    lines = LogRateLimit(1)
    for now in (5.0, 5.1, 6.0):
        lines.take("full", now)

    assert 0 == lines.take("full", 7.0)
