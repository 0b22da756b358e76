"""The processes of a service, found without asking it: some of them may be gone or stopped."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_LISTENING = "0A"
TRIAL_MODULE = b"app.host.loading.trial_worker"


@dataclass(frozen=True, slots=True)
class Family:
    """The processes that there are at one moment."""

    master: int
    arbiter: int | None
    host: int | None
    workers: tuple[int, ...]
    trials: tuple[int, ...]

    def members(self, role: str) -> tuple[int, ...]:
        """Return the processes of a role: worker, arbiter, host, trial."""
        if role == "worker":
            return self.workers
        if role == "trial":
            return self.trials
        found = self.arbiter if role == "arbiter" else self.host
        return () if found is None else (found,)


def family_of(master: int, port: int) -> Family:
    """Look at a master's descendants; web workers are the children that hold its listener."""
    listeners = _listening_sockets(master, port)
    children = children_of(master)
    workers = tuple(pid for pid in children if _sockets(pid) & listeners)
    arbiter = next((pid for pid in children if pid not in workers), None)
    hosts = children_of(arbiter) if arbiter else []
    host = hosts[0] if hosts else None
    below = descendants_of(host) if host else []
    trials = tuple(pid for pid in below if TRIAL_MODULE in _read(pid, "cmdline"))
    return Family(master, arbiter, host, workers, trials)


def strangers_of(master: int, run_dir: Path) -> list[int]:
    """Return processes that were started for a service and are not its master's descendants."""
    mark = f"GLYPH_RUN_DIR={run_dir}".encode()
    known = {master, *descendants_of(master)}
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [p for p in pids if p not in known and mark in _read(p, "environ").split(b"\0")]


def children_of(pid: int) -> list[int]:
    """Return a process's children that have not ended; none of one that is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return [pid for pid in found if _state(pid) not in ("Z", "")]


def descendants_of(pid: int) -> list[int]:
    """Return all below a process."""
    children = children_of(pid)
    return children + [one for child in children for one in descendants_of(child)]


def lives(pid: int) -> bool:
    """Return whether a process is there and has not ended."""
    return _state(pid) not in ("Z", "")


def _state(pid: int) -> str:
    return _read(pid, "stat").decode(errors="replace").rpartition(") ")[2][:1]


def _sockets(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(link))  # noqa: PTH115 - the text, not a path
    return found


def _listening_sockets(pid: int, port: int) -> set[str]:
    rows = [row.split() for row in _read(pid, "net/tcp").decode().splitlines()[1:]]
    return {
        f"socket:[{row[9]}]"
        for row in rows
        if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port
    }


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
