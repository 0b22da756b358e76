"""A container's share counts, not the machine it runs on."""

from __future__ import annotations

import pytest

from app.cores import usable_cores


@pytest.mark.parametrize(
    ("content", "expected"),
    [("max 100000", 16), ("200000 100000", 2), ("150000 100000", 2), ("9900000 100000", 16)],
)
def test_a_share_bounds_the_cores(tmp_path, monkeypatch, content, expected):
    """Part of a core counts as one."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(16)))
    quota = tmp_path / "cpu.max"
    quota.write_text(content)

    assert expected == usable_cores(quota)


@pytest.mark.parametrize("content", [None, "", "soon"])
def test_without_a_share_every_core_counts(tmp_path, monkeypatch, content):
    """On a machine without such a file, or with one that tells nothing."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 5})
    quota = tmp_path / "cpu.max"
    if content is not None:
        quota.write_text(content)

    assert 3 == usable_cores(quota)
