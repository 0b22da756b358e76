"""Which clients a process is connected to, as the kernel knows it."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.service import wait_until

_ESTABLISHED = "01"


def client_ports(pid: int) -> set[int]:
    """Find the clients' ports of the TCP connections over IPv4 that a process holds."""
    held = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in the meantime
            target = str(link.readlink())
            if target.startswith("socket:["):
                held.add(target.removeprefix("socket:[").rstrip("]"))
    rows = [row.split() for row in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {
        int(row[2].rpartition(":")[2], 16)
        for row in rows
        if row[9] in held and row[3] == _ESTABLISHED
    }


def kill_knowing_clients(pid: int) -> set[int]:
    """Kill a process with SIGKILL; gives the ports of the clients it was connected to.

    It is stopped a moment before, so that it accepts nobody between the look and its end.
    """
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: _stopped(pid), f"process {pid} is stopped", 5)
    ports = client_ports(pid)
    os.kill(pid, signal.SIGKILL)
    return ports


def _stopped(pid: int) -> bool:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks]
    return set(states) == {"T"}
