"""The limit on open files at a start."""

from __future__ import annotations

import resource

import pytest

from app.config.wrong_settings import SurroundingsError, exit_on_wrong_value
from app.server.startup_checks.open_files import connections_within_limit

UNLIMITED = resource.RLIM_INFINITY


@pytest.fixture
def limits(monkeypatch):
    """Stand for the limits of the process."""
    held = {}
    monkeypatch.setattr(resource, "getrlimit", lambda _which: held["limits"])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, new: held.update(limits=new))
    return held


@pytest.mark.parametrize(
    ("found", "left", "connections"),
    [
        ((1024, 524_288), (1128, 524_288), 1000),
        ((16, UNLIMITED), (1128, UNLIMITED), 1000),
        ((4096, 4096), (4096, 4096), 1000),
        ((UNLIMITED, UNLIMITED), (UNLIMITED, UNLIMITED), 1000),
        ((256, 1024), (1024, 1024), 896),
        ((192, 192), (192, 192), 64),
    ],
)
def test_the_limit_is_raised_as_far_as_is_needed_and_allowed(limits, found, left, connections):
    """A worker takes in no more connections than it has files for."""
    limits["limits"] = found

    assert connections == connections_within_limit()
    assert left == limits["limits"]


def test_a_limit_that_is_too_low_stops_the_start(limits, capsys):
    """One line names the limit, what was found, and what is needed."""
    limits["limits"] = (16, 16)
    with pytest.raises(SystemExit), exit_on_wrong_value():
        connections_within_limit()

    line = capsys.readouterr().err
    assert (
        "glyph: the hard limit on open files (RLIMIT_NOFILE, ulimit -n) is 16; at least 192 are "
        "needed, and 1128 for all 1000 connections of a web worker: raise it\n"
    ) == line


def test_one_below_what_is_needed_is_too_low(limits):
    """The bound itself is taken."""
    limits["limits"] = (191, 191)
    with pytest.raises(SurroundingsError):
        connections_within_limit()
