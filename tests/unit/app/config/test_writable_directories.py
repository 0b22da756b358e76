"""Directories that can be written to are found by writing."""

from __future__ import annotations

import subprocess

import pytest

from app.config.writable_directories import (
    NowhereToWriteError,
    check_writable,
    first_writable,
    usual_places,
)


@pytest.fixture
def missing(tmp_path):
    return tmp_path / "missing"


def test_the_first_that_takes_something_is_taken(tmp_path, missing):
    """Nothing is left in it."""
    (tmp_path / "file").touch()
    good = tmp_path / "good"
    good.mkdir()

    assert good == first_writable([missing, tmp_path / "file", good, tmp_path])
    assert [] == list(good.iterdir())


def test_a_directory_that_only_seems_writable_is_not_taken(tmp_path):
    """Its mode says yes, even to root; its file system says no."""
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(OSError, match="Read-only file system"):
            check_writable(tmp_path)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_if_there_is_none_each_is_named_with_its_reason(tmp_path, missing):
    """Once."""
    (tmp_path / "file").touch()

    with pytest.raises(NowhereToWriteError) as caught:
        first_writable([missing, tmp_path / "file", missing])
    assert (
        f"none can be written to: {missing} (No such file or directory), "
        f"{tmp_path / 'file'} (Not a directory)"
    ) == str(caught.value)


def test_the_usual_places_begin_with_memory(monkeypatch):
    """What the environment names comes next."""
    monkeypatch.setenv("TMPDIR", "/scratch")

    assert ["/dev/shm", "/scratch"] == [str(place) for place in usual_places()[:2]]  # noqa: S108
