"""The directory of one running service: private, fresh, and gone at the end."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from app.config.run_dir import (
    RunDirError,
    current_run_dir,
    make_run_dir,
    make_run_dir_or_exit,
    remove_run_dir,
    restore_run_dir,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Return an environment of the test's own, with a tmpfs in a directory of the test's own."""
    names = ("GLYPH_RUN_DIR", "PROMETHEUS_MULTIPROC_DIR", "_GLYPH_RUN_DIR_OWNER")
    monkeypatch.setattr(os, "environ", {k: v for k, v in os.environ.items() if k not in names})
    monkeypatch.setattr("app.config.run_dir.usual_places", lambda: [tmp_path / "away", tmp_path])
    monkeypatch.setattr("app.config.run_dir._locks", [])
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


@pytest.fixture
def other_service():
    """Return a function that makes a directory in another process, and leaves that running."""
    processes = []

    def start(run_dir):
        program = (
            "import sys; from pathlib import Path; from app.config.run_dir import make_run_dir\n"
            "made = make_run_dir(Path(sys.argv[1])); print(made, flush=True); input()"
        )
        command = [sys.executable, "-c", program, str(run_dir)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        process.stdout.readline()
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_two_services_do_not_share_a_directory(tmp_path, other_service, capsys):
    """The second is told whose it is, and harms nothing of the first."""
    other = other_service(tmp_path / "glyph")
    (tmp_path / "glyph" / "metrics" / "counter_7.db").touch()

    with pytest.raises(SystemExit) as caught:
        make_run_dir_or_exit(tmp_path / "glyph")
    assert 2 == caught.value.code
    assert (
        f"glyph: GLYPH_RUN_DIR='{tmp_path / 'glyph'}': another service uses it (process "
        f"{other.pid}); end that one, or set another directory\n"
    ) == capsys.readouterr().err
    assert (tmp_path / "glyph" / "metrics" / "counter_7.db").exists()


def test_the_directory_of_a_killed_service_is_taken_over(tmp_path, other_service):
    """The kernel has given its lock back."""
    other = other_service(tmp_path / "glyph")
    other.kill()
    other.wait()

    assert tmp_path / "glyph" == make_run_dir(tmp_path / "glyph")


def test_a_forked_process_does_not_hold_the_lock(tmp_path):
    """Web workers may outlive a master that was killed, by a moment."""
    program = (
        "import os, time; from pathlib import Path; from app.config.run_dir import make_run_dir\n"
        f"make_run_dir(Path({str(tmp_path / 'glyph')!r}))\n"
        "child = os.fork()\n"
        "if child == 0: os.close(1); time.sleep(60)\n"
        "print(child, flush=True)"
    )
    child = int(subprocess.check_output([sys.executable, "-c", program]))
    try:
        assert tmp_path / "glyph" == make_run_dir(tmp_path / "glyph")
    finally:
        os.kill(child, signal.SIGKILL)


def test_what_killed_services_left_is_removed(tmp_path, other_service):
    """What runs, and what is no service's, stays."""
    left = tmp_path / "glyph-left"
    killed = other_service(left)
    killed.kill()
    killed.wait()
    other_service(tmp_path / "glyph-runs")
    (tmp_path / "glyph-else").mkdir()
    (tmp_path / "glyph-else" / "lock").write_text("1")
    make_run_dir(None)

    assert not left.exists()
    assert (tmp_path / "glyph-runs" / "metrics").exists()
    assert (tmp_path / "glyph-else").exists()


def test_a_removed_directory_is_made_again(tmp_path):
    """As private as it was; a second service still cannot take it."""
    run_dir = make_run_dir(tmp_path / "glyph")
    shutil.rmtree(run_dir)
    restore_run_dir()

    assert (0o700, 0o700) == (mode(run_dir), mode(run_dir / "metrics"))
    assert str(os.getpid()) == (run_dir / "lock").read_text()


def test_parts_that_were_removed_are_made_again(tmp_path):
    """What is there stays as it is."""
    run_dir = make_run_dir(tmp_path / "glyph")
    fill(run_dir)
    shutil.rmtree(run_dir / "metrics")
    restore_run_dir()

    assert (run_dir / "metrics").is_dir()
    assert (run_dir / "host-starts").exists()


def test_a_directory_that_cannot_be_used_is_told(tmp_path):
    """With the setting, or with every place that was tried."""
    (tmp_path / "file").touch()

    with pytest.raises(RunDirError) as caught:
        make_run_dir(tmp_path / "file" / "glyph")
    assert (
        f"GLYPH_RUN_DIR='{tmp_path / 'file' / 'glyph'}': cannot be written to: Not a directory"
    ) == str(caught.value)


def test_without_any_place_the_setting_is_named(monkeypatch, tmp_path):
    """With what is wrong with each place."""
    monkeypatch.setattr("app.config.run_dir.usual_places", lambda: [tmp_path / "a", tmp_path / "b"])

    with pytest.raises(RunDirError) as caught:
        make_run_dir(None)
    assert (
        "GLYPH_RUN_DIR is not set, and of the usual places none can be written to: "
        f"{tmp_path / 'a'} (No such file or directory), "
        f"{tmp_path / 'b'} (No such file or directory)"
    ) == str(caught.value)


def test_a_place_that_cannot_be_written_to_is_passed_over(tmp_path):
    """The next one is taken."""
    assert tmp_path == make_run_dir(None).parent
