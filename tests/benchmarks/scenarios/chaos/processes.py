"""Events that befall processes: killed, stopped for a while, told to reload."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from tests.benchmarks.scenarios.chaos.done import Done, done
from tests.benchmarks.scenarios.chaos.family import lives
from tests.benchmarks.scenarios.chaos.ground import SkippedError
from tests.benchmarks.scenarios.chaos.versions import is_default
from tests.benchmarks.scenarios.sockets import kill_knowing_clients
from tests.benchmarks.scenarios.variants import MNIST
from tests.service import wait_until

if TYPE_CHECKING:
    from random import Random

    from tests.benchmarks.scenarios.chaos.ground import Ground
    from tests.benchmarks.scenarios.chaos.plan import Event

ROLES = ("worker", "arbiter", "host")
_TRIAL_S = 10.0


def kill_worker(ground: Ground, event: Event) -> Done:
    """Kill a web worker."""
    return _killed(ground, event.dice(), "worker")


def kill_host(ground: Ground, event: Event) -> Done:
    """Kill the host."""
    return _killed(ground, event.dice(), "host")


def kill_arbiter(ground: Ground, event: Event) -> Done:
    """Kill the host's supervisor."""
    return _killed(ground, event.dice(), "arbiter")


def kill_pair(ground: Ground, event: Event) -> Done:
    """Kill two processes, with anything from nothing to half a second between."""
    dice, pause_s = event.dice(), event.lasts_s(0, 0.5)
    first, second = dice.choice(ROLES), dice.choice(ROLES)
    one = _kill(ground, dice, first)
    time.sleep(pause_s)
    wait_until(lambda: ground.family().members(second), f"there is a {second}")
    two = _kill(ground, dice, second)
    return done(f"{first} {one}, {pause_s:.2f} s later {second} {two}")


def kill_all(ground: Ground, _event: Event) -> Done:
    """Kill everything but the master at once."""
    family = ground.family()
    for pid in family.workers:
        _kill_worker(ground, pid)
    for pid in (family.arbiter, family.host):
        _end(pid)
    return done("every process but the master")


def stop_worker(ground: Ground, event: Event) -> Done:
    """Stop a web worker for a while."""
    return _stopped(ground, event, "worker", 6)


def stop_host(ground: Ground, event: Event) -> Done:
    """Stop the host, perhaps for so long that it is replaced."""
    return _stopped(ground, event, "host", 14)


def stop_arbiter(ground: Ground, event: Event) -> Done:
    """Stop the host's supervisor for a while."""
    return _stopped(ground, event, "arbiter", 14)


def sighup(ground: Ground, _event: Event) -> Done:
    """Have every web worker replaced."""
    before = ground.family().workers
    ground.service.process.send_signal(signal.SIGHUP)

    def settled() -> str | None:
        left = [pid for pid in before if lives(pid)]
        return f"web worker {left[0]} was not replaced" if left else None

    return done(f"web workers {', '.join(map(str, before))}", settled)


def kill_trial(ground: Ground, event: Event) -> Done:
    """Kill the process that tries a new version, which is tried again: it is not its fault."""
    version = ground.publish(event.dice().choice(MNIST))
    end = time.monotonic() + _TRIAL_S
    while not (trials := ground.family().trials):
        if time.monotonic() > end:
            raise SkippedError("no process that tries a version was seen")
    _end(trials[0])
    return done(f"trial process {trials[0]} of version {version}", is_default(ground, version))


def _killed(ground: Ground, dice: Random, role: str) -> Done:
    return done(f"{role} {_kill(ground, dice, role)}")


def _kill(ground: Ground, dice: Random, role: str) -> int:
    """Kill one process of a role; returns which."""
    pid = dice.choice(ground.family().members(role))
    if role == "worker":
        _kill_worker(ground, pid)
    else:
        _end(pid)
    return pid


def _kill_worker(ground: Ground, pid: int) -> None:
    with contextlib.suppress(OSError):
        ports = kill_knowing_clients(pid)
        ground.doomed.append((time.monotonic(), ports))
        _wait_until_gone(pid)


def _stopped(ground: Ground, event: Event, role: str, longest_s: float) -> Done:
    pid = event.dice().choice(ground.family().members(role))
    seconds = event.lasts_s(0.2, longest_s)
    _send(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        _send(pid, signal.SIGCONT)
    return done(f"{role} {pid} for {seconds:.1f} s")


def _end(pid: int | None) -> None:
    """Kill a process; it is gone afterwards, so that nobody takes it for a living one."""
    if pid is not None:
        _send(pid, signal.SIGKILL)
        _wait_until_gone(pid)


def _wait_until_gone(pid: int) -> None:
    wait_until(lambda: not lives(pid), f"process {pid} is gone")


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
