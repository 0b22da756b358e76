"""The directory of one running service: private, fresh, and gone at the end."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from app.run_dir import current_run_dir, make_run_dir, remove_run_dir

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Give an environment of the test's own, with a tmpfs in a directory of the test's own."""
    names = ("GLYPH_RUN_DIR", "PROMETHEUS_MULTIPROC_DIR", "_GLYPH_RUN_DIR_OWNER")
    monkeypatch.setattr(os, "environ", {k: v for k, v in os.environ.items() if k not in names})
    monkeypatch.setattr("app.run_dir._tmpfs", lambda: str(tmp_path))
    return os.environ


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def fill(run_dir: Path) -> None:
    """Leave what a service leaves."""
    (run_dir / "host.sock").touch()
    (run_dir / "host.sock.new").touch()
    (run_dir / "host-starts").write_text("...")
    (run_dir / "limits").write_bytes(b"...")
    (run_dir / "metrics" / "counter_7.db").touch()


def test_a_directory_of_its_own_is_made(tmp_path, environment):
    """Nobody else may look into it, and every process finds it through the environment."""
    run_dir = make_run_dir(None)

    assert (tmp_path, 0o700) == (run_dir.parent, mode(run_dir))
    assert (0o700, []) == (mode(run_dir / "metrics"), list((run_dir / "metrics").iterdir()))
    assert str(run_dir) == environment["GLYPH_RUN_DIR"]
    assert str(run_dir / "metrics") == environment["PROMETHEUS_MULTIPROC_DIR"]
    assert run_dir == current_run_dir()


def test_two_services_have_two_directories(environment):
    """Each has its own socket."""
    first = make_run_dir(None)
    environment["_GLYPH_RUN_DIR_OWNER"] = "1"

    assert first != make_run_dir(None)


def test_a_wanted_directory_is_made(tmp_path):
    """With its parents, and as private."""
    wanted = tmp_path / "var" / "run" / "glyph"

    assert (wanted, 0o700) == (make_run_dir(wanted), mode(wanted))


def test_what_a_killed_service_left_is_wiped(tmp_path):
    """Its counters would be added up, and its starts counted as restarts."""
    wanted = tmp_path / "glyph"
    (wanted / "metrics").mkdir(parents=True)
    fill(wanted)
    make_run_dir(wanted)

    assert [] == list((wanted / "metrics").iterdir())
    assert not (wanted / "host-starts").exists()
    assert not (wanted / "limits").exists()


def test_reading_the_configuration_again_keeps_the_directory():
    """A reload has the same workers' counters."""
    run_dir = make_run_dir(None)
    fill(run_dir)

    assert run_dir == make_run_dir(None)
    assert (run_dir / "metrics" / "counter_7.db").exists()


def test_the_owner_removes_it():
    """Nothing is left on the tmpfs."""
    run_dir = make_run_dir(None)
    fill(run_dir)
    remove_run_dir()

    assert not run_dir.exists()


def test_a_forked_process_does_not_remove_it(environment):
    """Only the master outlives all who need it."""
    run_dir = make_run_dir(None)
    environment["_GLYPH_RUN_DIR_OWNER"] = "1"
    remove_run_dir()

    assert run_dir.exists()


def test_removing_before_making_does_nothing():
    """A start that failed early has nothing to remove."""
    remove_run_dir()


def test_what_is_not_the_services_own_stays(tmp_path):
    """A directory that was there before, such as /run, is not emptied."""
    (tmp_path / "another.pid").touch()
    make_run_dir(tmp_path)
    fill(tmp_path)
    remove_run_dir()

    assert [tmp_path / "another.pid"] == list(tmp_path.iterdir())


def test_removing_twice_is_no_fault():
    """An operator may have cleaned up."""
    make_run_dir(None)
    remove_run_dir()
    remove_run_dir()


def test_without_a_tmpfs_the_usual_place_is_taken(monkeypatch, tmp_path):
    """Counters then cost a little more."""
    monkeypatch.undo()
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "environ", {})

    assert tmp_path == make_run_dir(None).parent
