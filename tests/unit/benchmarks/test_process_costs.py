"""Reading what processes cost."""

from __future__ import annotations

import os
import time

import pytest

from tests.benchmarks.process_costs import cpu_s, pss_mib


@pytest.fixture
def proc(tmp_path):
    """Make a /proc of two processes; one has a name that looks like more fields."""
    ticks = os.sysconf("SC_CLK_TCK")
    for pid, name, user, system, pss in ((7, "python", 3, 1, 2048), (8, "a) (b", 2, 4, 1024)):
        place = tmp_path / str(pid)
        place.mkdir()
        times = f"{user * ticks} {system * ticks}"
        (place / "stat").write_text(f"{pid} ({name}) S 1 7 7 0 -1 4194304 9 9 9 9 {times} 0 0 20\n")
        (place / "smaps_rollup").write_text(f"00-ff ---p 0 00:00 0 [rollup]\nPss: {pss} kB\n")
    return tmp_path


def test_cpu_time_of_user_and_kernel_adds_up(proc):
    """Over all processes."""
    assert 10 == cpu_s([7, 8], proc)


def test_memory_adds_up_in_mib(proc):
    """By each process's share of its pages."""
    assert 3 == pss_mib([7, 8], proc)


def test_a_process_that_has_ended_costs_nothing(proc):
    """A worker may be replaced at any moment."""
    assert 4 == cpu_s([7, 9], proc)
    assert 2 == pss_mib([7, 9], proc)


def test_the_real_proc_is_understood():
    """The layout above is Linux's own."""
    assert time.process_time() == pytest.approx(cpu_s([os.getpid()]), abs=1)
    assert pss_mib([os.getpid()]) > 1
