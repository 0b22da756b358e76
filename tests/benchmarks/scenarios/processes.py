"""What the service's processes hold: memory, file descriptors, threads, CPU time."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.process_costs import TICKS_PER_S, read_pss_kib, read_ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.service import Service


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment."""

    pid: int
    role: str
    at: float
    """Monotonic seconds."""
    pss_mib: float
    fds: int
    threads: int
    cpu_s: float


def roles(service: Service) -> dict[int, str]:
    """Name every process of a service that has its host."""
    host, arbiter = service.host_pid(), service.arbiter_pid()
    workers = {pid: f"worker {n}" for n, pid in enumerate(sorted(service.worker_pids()), 1)}
    return {service.process.pid: "master", arbiter: "arbiter", host: "host"} | workers


def usage(pid: int, role: str) -> Usage | None:
    """Look at a process; None where it has gone."""
    process = Path(f"/proc/{pid}")
    try:
        rollup = (process / "smaps_rollup").read_text()
        stat = (process / "stat").read_text()
        fds = len(list((process / "fd").iterdir()))
        threads = len(list((process / "task").iterdir()))
    except OSError:
        return None
    held_mib, computed_s = read_pss_kib(rollup) / 1024, read_ticks(stat) / TICKS_PER_S
    return Usage(pid, role, time.monotonic(), held_mib, fds, threads, computed_s)


def usages(service: Service) -> list[Usage]:
    """Look at every process of a service; gives nothing while one of them is being replaced."""
    try:
        found = [usage(pid, role) for pid, role in roles(service).items()]
    except (StopIteration, OSError, IndexError):
        return []
    return [one for one in found if one is not None]


def pss_mib(found: list[Usage]) -> float:
    """Add up the memory of all processes."""
    return sum(one.pss_mib for one in found)


def cores(samples: list[list[Usage]], start: float, end: float) -> str:
    """Return the share of a core that each process used, from the samples between two moments."""
    within = [one for sample in samples for one in sample if start <= one.at <= end]
    shares = []
    for pid, role in sorted({(one.pid, one.role) for one in within}, key=lambda x: x[1]):
        first, *_, last = [one for one in within if one.pid == pid] * 2
        if last.at > first.at:
            shares.append(f"{role} {(last.cpu_s - first.cpu_s) / (last.at - first.at):.0%}")
    return ", ".join(shares)


@contextlib.contextmanager
def watched(look: Callable[[], list[Usage]], every_s: float) -> Iterator[list[list[Usage]]]:
    """Look again and again while the block runs; gives the list that fills."""
    samples: list[list[Usage]] = []
    done = threading.Event()

    def watch() -> None:
        while True:
            samples.append(look())
            if done.wait(every_s):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()
