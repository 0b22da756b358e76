"""Standard output that nobody reads: lines are left out and counted, and nothing waits."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from app.telemetry.nonblocking_output import Outlet

LINE = "x" * 99 + "\n"


def notice(count):
    return f"{count} left out\n"


@pytest.fixture
def pipe():
    """Return both ends of a pipe that holds a page."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def outlet(pipe):
    return Outlet(pipe[1], notice=notice)


def read(reader):
    return os.read(reader, 1 << 16).decode()


def test_lines_are_written_as_they_are(pipe, outlet):
    """Also what is not ASCII, or no text at all."""
    outlet.write("one\n")
    outlet.write("ü \udcff\n")
    outlet.write("")

    assert "one\nü \\udcff\n" == read(pipe[0])
    assert (False, True, pipe[1]) == (outlet.isatty(), outlet.writable(), outlet.fileno())
    assert "utf-8" == outlet.encoding


def test_a_full_pipe_holds_nobody_up(pipe, outlet):
    """What was left out is counted, and told when there is room again."""
    for _ in range(1000):
        outlet.write(LINE)
    left_out = outlet.left_out
    read(pipe[0])
    outlet.write("after\n")

    assert left_out > 900
    assert read(pipe[0]).endswith(f"{left_out} left out\nafter\n")
    assert 0 == outlet.left_out


def test_lines_are_whole(pipe, outlet):
    """One that was begun is ended before the next."""
    for _ in range(50):
        outlet.write(LINE)
    first = read(pipe[0])
    outlet.write("after\n")
    found = (first + read(pipe[0])).splitlines(keepends=True)

    assert {LINE, "after\n"} == {line for line in found if "left out" not in line}


def test_the_descriptor_of_others_is_left_as_it_is(pipe, outlet):
    """A shell that shares it would stumble over writes that do not wait."""
    outlet.write(LINE)

    assert os.get_blocking(pipe[1])


def test_a_reader_that_went_away_is_no_fault():
    """As little as a disk that is full."""
    reader, writer = os.pipe()
    outlet = Outlet(writer, notice=notice)
    os.close(reader)
    outlet.write(LINE)
    with Path("/dev/full").open("wb") as full:
        other = Outlet(full.fileno(), notice=notice)
        other.write(LINE)
    os.close(writer)

    assert (1, 1) == (outlet.left_out, other.left_out)


def test_a_pipe_of_another_user_is_written_to_when_it_has_room(pipe, monkeypatch):
    """It cannot be opened a second time."""

    def refuse(*_):
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        outlet = Outlet(pipe[1], notice=notice)
    for _ in range(1000):
        outlet.write(LINE)

    assert outlet.left_out > 900
    assert read(pipe[0]).startswith(LINE)


def test_a_socket_is_written_to():
    """The journal of systemd reads one."""
    reader, writer = socket.socketpair()
    with closing(reader), closing(writer):
        outlet = Outlet(writer.fileno(), notice=notice)
        for _ in range(20_000):
            outlet.write(LINE)
        assert outlet.left_out > 0
        assert reader.recv(100).decode() == LINE
        assert writer.getblocking()


def test_a_reader_who_catches_up_misses_nothing(pipe, outlet):
    """A moment is waited for, so that a burst is not torn."""
    writer = threading.Thread(target=lambda: [outlet.write(LINE) for _ in range(60)])
    writer.start()
    found = ""
    while len(found) < 60 * len(LINE):
        found += read(pipe[0])
    writer.join()

    assert (60 * LINE, 0) == (found, outlet.left_out)
