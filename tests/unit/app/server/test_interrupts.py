"""Ctrl-C waits while the service starts, and reaches no process but the master."""

from __future__ import annotations

import asyncio
import signal

import pytest

from app.server.interrupts import (
    heed_interrupts,
    hold_interrupts,
    obey_early_end,
    spawn_without_interrupts,
)


@pytest.fixture(autouse=True)
def _mask():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def held():
    """Return whether Ctrl-C waits."""
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_one_that_comes_during_the_start_is_heeded_afterwards():
    """It is not lost, and raises nothing in the middle of the start."""
    hold_interrupts()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        heed_interrupts()


def test_what_is_started_gets_none():
    """The process that starts it goes on as before."""
    during = []

    assert spawn_without_interrupts(lambda: during.append(held()) or 7) == 7
    assert ([True], False) == (during, held())


def test_a_start_that_fails_changes_nothing():
    """The next Ctrl-C must end the service."""

    def fail():
        raise OSError("no memory")

    with pytest.raises(OSError, match="no memory"):
        spawn_without_interrupts(fail)

    assert not held()


def test_a_forked_process_keeps_holding_them_to_its_end():
    """It leaves by an exception, as gunicorn's processes do."""
    with pytest.raises(SystemExit):
        spawn_without_interrupts(lambda: (_ for _ in ()).throw(SystemExit))

    assert held()


class Process:
    """Runs as gunicorn's arbiter does, and was told to end before."""

    alive = False
    _server: asyncio.Event | None = None

    async def _run_async(self):
        await asyncio.sleep(0)
        self._server = asyncio.Event()
        async with asyncio.timeout(10):
            await self._server.wait()

    def _shutdown(self):
        self._server.set()


def test_a_process_that_was_told_to_end_before_its_loop_ran_ends():
    """The master would kill it only after the grace period."""
    process = Process()
    obey_early_end(process)

    asyncio.run(process._run_async())
