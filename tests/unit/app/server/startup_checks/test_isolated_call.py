"""Work in a process of its own leaves nothing in this one."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from app.server.startup_checks.isolated_call import IsolatedCallError, call_isolated


def test_the_answer_comes_back_and_nothing_else():
    """The work was done by another process."""
    here = []

    def work():
        here.append(1)
        return [os.getpid(), "ü", None]

    pid, *rest = call_isolated(work)

    assert os.getpid() != pid
    assert (["ü", None], []) == (rest, here)


def test_what_it_imports_is_not_here():
    """That is what it is for."""

    def work():
        import this  # noqa: F401, PLC0415 - nobody else does

        return "this" in sys.modules

    assert call_isolated(work)
    assert "this" not in sys.modules


def test_a_long_answer_comes_back_whole():
    """However little a pipe holds."""
    assert "x" * 200_000 == call_isolated(lambda: "x" * 200_000)


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda: 1 / 0, 1),
        (lambda: sys.exit(0), 1),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), -9),
    ],
)
def test_work_that_fails_is_an_error(work, code, capfd):
    """And never goes on as if it were this process."""
    with pytest.raises(IsolatedCallError, match=f"ended with {code}$"):
        call_isolated(work)
    assert code == -9 or "Traceback" in capfd.readouterr().err


def test_work_that_hangs_is_given_up(tmp_path):
    """And its process is ended."""

    def work():
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(600)

    with pytest.raises(IsolatedCallError, match="took too long"):
        call_isolated(work, 1.0)
    while not _is_gone(int((tmp_path / "pid").read_text())):
        time.sleep(0.01)


def _is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
