"""What do clients see when processes die, hang or are told to stop?"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from app.config.run_dir import HOST_SOCKET
from tests.benchmarks.scenarios.load import LOST
from tests.benchmarks.scenarios.report import Report, failures, p50_p99, percentile_ms, tally, took
from tests.benchmarks.scenarios.sockets import client_ports, kill_knowing_clients
from tests.benchmarks.scenarios.stage import json_option
from tests.benchmarks.scenarios.under_load import Target, between, longest_silence_s, play
from tests.service import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.scenarios.load import Measured

_OK = 200
_AT_ONCE_MS = 100.0
_CALM_S = 3.0
"""Before what is done once, and after it."""
_SLACK_S = 1.0
"""From a host's replacement to its first answer."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What every fault is given."""

    report: Report
    seconds: float
    every_s: float
    clients: int
    host_timeout_s: int

    def play(self, label: str, act: Callable[[Target], None], **options: object) -> Measured:
        """Run a service under load while something is done to it."""
        return play(label, act, **{"clients": self.clients, "seconds": self.seconds} | options)

    def again_and_again(self, label: str, act: Callable[[Target], None]) -> Measured:
        """Do something every few seconds."""
        turns = max(1, round(self.seconds / self.every_s) - 1)

        def acts(target: Target) -> None:
            for _ in range(turns):
                target.wait(self.every_s)
                act(target)

        return self.play(label, acts)

    def tell(self, label: str, measured: Measured) -> None:
        """Report what every fault has in common."""
        records = measured.records
        answered = records[records["status"] == _OK]
        self.report.add(
            f"{label}: answers",
            f"{len(answered):,}; {p50_p99(took(records))}; "
            f"longest silence {longest_silence_s(records):.2f} s",
        )

    def tell_failures(self, label: str, measured: Measured) -> None:
        """Report failed answers where there should be none."""
        failed = failures(measured.records)
        told = "; ".join(f"{status} {text} ({n})" for (status, text), n in _common(measured))
        self.report.add(
            f"{label}: failed", f"{failed}: {told}" if failed else "0", "0", holds=not failed
        )


def host_killed(scene: Scene) -> None:
    """Kill the host again and again."""
    label = "host killed"
    measured = scene.again_and_again(label, lambda target: os.kill(target.host(), signal.SIGKILL))
    scene.tell(label, measured)
    scene.tell_failures(label, measured)


def worker_killed(scene: Scene) -> None:
    """Kill a web worker again and again."""
    doomed: list[set[int]] = []

    def kill(target: Target) -> None:
        doomed.append(kill_knowing_clients(_busiest(target)))

    label = "worker killed"
    _tell_worker(scene, label, scene.again_and_again(label, kill), doomed)


def both_killed(scene: Scene) -> None:
    """Kill the host and a web worker at once, again and again."""
    doomed: list[set[int]] = []

    def kill(target: Target) -> None:
        host, worker = target.host(), _busiest(target)
        os.kill(host, signal.SIGKILL)
        doomed.append(kill_knowing_clients(worker))

    label = "host and worker killed"
    _tell_worker(scene, label, scene.again_and_again(label, kill), doomed)


def _busiest(target: Target) -> int:
    """Return the worker with the most clients; a new one has hardly any."""
    return max(target.workers(), key=lambda pid: len(client_ports(pid)))


def _tell_worker(scene: Scene, label: str, measured: Measured, doomed: list[set[int]]) -> None:
    """Report failures, each of which must be the end of a connection that a killed worker held."""
    scene.tell(label, measured)
    records = measured.records
    failed = records[records["status"] != _OK]
    cut = np.isin(failed["port"], list(set().union(*doomed))) & (failed["status"] == LOST)
    repeated = len(failed) - len(np.unique(failed["port"]))
    held = sum(map(len, doomed))
    scene.report.add(
        f"{label}: failed",
        f"{len(failed)} on {held} connections of {len(doomed)} killed workers "
        f"({failures(records) or 'none'})",
    )
    scene.report.add(
        f"{label}: failed otherwise than by the end of a killed worker's connection",
        f"{int((~cut).sum())}; more than once on a connection: {repeated}",
        "0; 0",
        holds=bool(cut.all()) and not repeated,
    )


def host_frozen(scene: Scene) -> None:
    """Stop the host with SIGSTOP, once."""
    label, moments = "host frozen", []

    def freeze(target: Target) -> None:
        target.wait(_CALM_S)
        os.kill(target.host(), signal.SIGSTOP)
        moments.append(time.monotonic())

    seconds = 2 * _CALM_S + scene.host_timeout_s + 2 * _SLACK_S
    measured = scene.play(label, freeze, seconds=seconds, host_timeout_s=scene.host_timeout_s)
    (start,) = moments
    after = between(measured.records, start + 0.05, np.inf)
    again = after["done"][after["status"] == _OK]
    back = float(again.min()) if len(again) else np.inf
    scene.tell(label, measured)
    scene.report.add(
        f"{label}: predictions again after",
        f"{back - start:.1f} s",
        f"within {scene.host_timeout_s} s",
        holds=back - start <= scene.host_timeout_s,
    )
    _tell_frozen(scene, label, measured, start, back)


def _tell_frozen(scene: Scene, label: str, measured: Measured, start: float, back: float) -> None:
    refused = measured.records[measured.records["status"] != _OK]
    caught = refused[(refused["sent"] < start) & (refused["done"] >= start)]
    longest_s = float(np.max(caught["done"] - caught["sent"], initial=0))
    scene.report.add(
        f"{label}: refused of those in flight when it froze",
        f"{tally(caught['status'])}; after at most {longest_s:.1f} s",
    )
    later = between(refused, start, back)
    took_s = later["done"] - later["sent"]
    slow = int((took_s * 1000 > _AT_ONCE_MS).sum())
    scene.report.add(
        f"{label}: refused of those sent meanwhile, p50 / p99",
        f"{tally(later['status'])}; {p50_p99(took_s)}; {slow} took longer than at once",
        f"p99 at most {_AT_ONCE_MS:.0f} ms",
        holds=percentile_ms(took_s, 99) <= _AT_ONCE_MS if len(later) else None,
    )
    told = "; ".join(f"{status} {text} ({n})" for (status, text), n in _common(measured))
    scene.report.add(f"{label}: sentences", told or "none")


def sigterm(scene: Scene) -> None:
    """Stop the service; clients leave when their connection is closed."""
    ended: list[tuple[int, float]] = []

    def stop(target: Target) -> None:
        target.wait(_CALM_S)
        start = time.monotonic()
        code = target.service.stop()
        ended.append((code, time.monotonic() - start))

    label = "SIGTERM"
    measured = scene.play(label, stop, seconds=2 * _CALM_S, leave_when_closed=True)
    scene.tell(label, measured)
    scene.tell_failures(label, measured)
    ((code, took_s),) = ended
    scene.report.add(f"{label}: exit code", f"{code}, after {took_s:.1f} s", "0", holds=code == 0)


def sighup(scene: Scene) -> None:
    """Have every web worker replaced."""
    took_s: list[float] = []

    def reload(target: Target) -> None:
        target.wait(_CALM_S)
        before, start = target.workers(), time.monotonic()
        target.service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not any(map(_lives, before)), "every worker was replaced")
        took_s.append(time.monotonic() - start)

    label = "SIGHUP"
    measured = scene.play(label, reload, seconds=4 * _CALM_S)
    scene.tell(label, measured)
    scene.tell_failures(label, measured)
    scene.report.add(f"{label}: every worker replaced after", f"{took_s[0]:.1f} s")


def socket_removed(scene: Scene) -> None:
    """Remove the host's socket file, and kill the workers, whose successors must find the host."""
    label = "socket removed, both workers killed in turn"
    doomed: list[set[int]] = []
    seen: list[bool] = []
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / HOST_SOCKET

        def remove(target: Target) -> None:
            target.wait(_CALM_S)
            path.unlink()
            target.wait(_CALM_S)
            seen.append(path.exists())
            for pid in target.workers():
                doomed.append(kill_knowing_clients(pid))
                target.wait(_CALM_S)

        measured = scene.play(label, remove, seconds=8 * _CALM_S, run_dir=place)
    scene.report.add(f"{label}: it is there again", "yes" if seen[0] else f"not in {_CALM_S:g} s")
    _tell_worker(scene, label, measured, doomed)
    told = "; ".join(f"{status} {text} ({n})" for (status, text), n in _common(measured))
    scene.report.add(f"{label}: sentences", told or "none")


FAULTS = {
    "host-killed": host_killed,
    "worker-killed": worker_killed,
    "both-killed": both_killed,
    "host-frozen": host_frozen,
    "sigterm": sigterm,
    "sighup": sighup,
    "socket-removed": socket_removed,
}


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(FAULTS)), help="Else all of them.")
@click.option("--seconds", default=30.0, show_default=True, help="Of each fault that repeats.")
@click.option("--every", "every_s", default=3.0, show_default=True, help="Seconds between them.")
@click.option("--clients", default=32, show_default=True)
@click.option("--host-timeout-s", default=10, show_default=True, help="Of the service.")
@json_option
def faults(
    *,
    only: tuple[str, ...],
    seconds: float,
    every_s: float,
    clients: int,
    host_timeout_s: int,
    json_path: Path | None,
) -> None:
    """Kill, freeze and stop processes while clients ask about single images.

    A client asks again when it has its answer, and pauses for 50 ms after a refusal or a lost
    connection. A worker that is killed is stopped a moment before, and the kernel is asked which
    connections it holds: a failure on any other is one too many.

    python -m tests.benchmarks.scenarios faults --only host-killed --seconds 9
    """
    report = Report(f"Faults under {clients} clients")
    scene = Scene(report, seconds, every_s, clients, host_timeout_s)
    for name in only or FAULTS:
        FAULTS[name](scene)
    report.finish(json_path)


def _common(measured: Measured) -> list[tuple[tuple[int, str], int]]:
    return measured.sentences.most_common(4)


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
