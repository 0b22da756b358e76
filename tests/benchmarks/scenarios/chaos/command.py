"""Is every answer right, and the service soon whole again, whatever happens?"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tests.benchmarks.scenarios.chaos.asking import steady_load
from tests.benchmarks.scenarios.chaos.ground import grounds
from tests.benchmarks.scenarios.chaos.growth import grown, held_by, words
from tests.benchmarks.scenarios.chaos.invariants import Finding, Invariant, examine
from tests.benchmarks.scenarios.chaos.kinds import KINDS
from tests.benchmarks.scenarios.chaos.running import Runner
from tests.benchmarks.scenarios.chaos.surroundings import CORES, busy_loops
from tests.benchmarks.scenarios.chaos.telling import tell_findings, tell_invariants, tell_kinds
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.stage import Generators, json_option

if TYPE_CHECKING:
    from tests.benchmarks.scenarios.chaos.ground import Ground
    from tests.benchmarks.scenarios.chaos.growth import Held

_CALM_S = 4.0
_SLOWER_WHEN_BUSY = 3.0
_CLIENT_TIMEOUT_S = 60.0
"""Longer than anything may take."""


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Decides which events come, and how.")
@click.option("--busy", is_flag=True, help="Let busy loops take every core all the time.")
@click.option("--only", multiple=True, type=click.Choice(list(KINDS)), help="Else every kind.")
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the service's log here; by default in the temporary directory if anything breaks.",
)
@json_option
def chaos(
    *,
    minutes: float,
    seed: int,
    busy: bool,
    only: tuple[str, ...],
    log: Path | None,
    json_path: Path | None,
) -> None:
    """Do to a service whatever can happen to one, while clients check every answer.

    Kills, stops and reloads processes, publishes versions good and bad, takes away the store, the
    disks, the time and the cores, and sends slow and rude clients. What must hold is written down
    in docs/explanation/failures.md; the exit code is 1 where it does not. The same seed makes the
    same events.

    Small disks and mounts take root, jumps of the clock take libfaketime (Debian: faketime); events
    that cannot be made here are skipped, and the report says so.

    python -m tests.benchmarks.scenarios chaos --minutes 1 --seed 7 --only "kill host"
    """
    kept = log or Path(tempfile.mkdtemp(prefix="glyph-chaos-")) / "log"
    report = Report(f"Chaos for {minutes:g} minutes, seed {seed}{', busy cores' if busy else ''}")
    slower = _SLOWER_WHEN_BUSY if busy else 1.0
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        if busy:
            stack.enter_context(busy_loops(CORES))
        ground = stack.enter_context(grounds(kept))
        generators = stack.enter_context(Generators(ground.service.port))
        runner = Runner(ground, slower=slower, begin=begin)
        with generators.load(*steady_load(), timeout_s=_CLIENT_TIMEOUT_S) as running:
            time.sleep(_CALM_S)
            before = held_by(ground)
            if runner.run(seed, only or tuple(KINDS), minutes * 60):
                time.sleep(_CALM_S)
                _tell_growth(report, runner, before)
        notes = running.result().notes
        ground.note_versions()
        findings = examine(notes, runner.happened, ground.doomed, ground.variants)
        findings += runner.findings + _end(ground)
    tell_kinds(report, notes, runner.happened, ground.doomed, slower)
    tell_invariants(report, findings, len(notes))
    report.finish(json_path)
    tell_findings(findings, runner.happened, begin)
    if findings:
        click.echo(f"\nThe service's log: {kept}")
        sys.exit(1)
    if log is None:
        kept.unlink()
        kept.parent.rmdir()


def _tell_growth(report: Report, runner: Runner, before: Held) -> None:
    """Compare what the service holds with what it held."""
    after = held_by(runner.ground)
    more = grown(before, after)
    runner.findings += [Finding(Invariant.FLAT, time.monotonic(), one) for one in more]
    report.add("at first", words(before))
    report.add("at last", words(after), "no more than at first", holds=not more)


def _end(ground: Ground) -> list[Finding]:
    """End the service; returns what it leaves behind."""
    left = ground.strays()
    try:
        code = ground.service.stop()
    except subprocess.TimeoutExpired:
        ground.service.process.kill()
        code = "none: it did not end on SIGTERM"
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    told = [f"process {pid} is nobody's" for pid in left]
    if code:
        told.append(f"the exit code of the service is {code}")
    if ground.run_dir.exists():
        told.append(f"the run directory is still there: {sorted(ground.run_dir.rglob('*'))}")
    return [Finding(Invariant.CLEAN, time.monotonic(), one) for one in told]
