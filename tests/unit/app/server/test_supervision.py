"""Which ends of processes count as failures."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from app.server.supervision import Supervision


@pytest.fixture
def told():
    return []


@pytest.fixture
def server(told):
    """Stand for gunicorn's master, that wants two web workers."""
    return SimpleNamespace(
        cfg=None,
        log=SimpleNamespace(error=told.append),
        spawn_worker=None,
        spawn_dirty_arbiter=None,
        num_workers=2,
        WORKERS={1: None, 2: None},
        LISTENERS=[object()],
    )


@pytest.fixture
def end(server):
    """Have a web worker end that has just been started, as the master tells of it."""
    supervision = Supervision()
    supervision.of_master(server)
    return lambda: supervision.web_worker_ended(server, SimpleNamespace(born=time.monotonic()))


def test_a_worker_that_is_missed_has_failed(server, end, told):
    """It ended by itself."""
    server.WORKERS.popitem()
    end()

    assert 1 == len(told)


def test_one_that_was_too_many_has_made_way(end, told):
    """For another, as after SIGHUP: however soon, those after it are not kept waiting."""
    end()

    assert [] == told


def test_none_is_missed_when_the_service_ends(server, end, told):
    """No next one is started."""
    server.WORKERS.clear()
    server.LISTENERS.clear()
    end()

    assert [] == told
