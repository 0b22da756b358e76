"""Makes one event after another, and waits each time until the service is whole again."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import click
import requests

from model_store import StoreError
from tests.benchmarks.scenarios.chaos.done import Done, done
from tests.benchmarks.scenarios.chaos.ground import MODEL, SkippedError
from tests.benchmarks.scenarios.chaos.invariants import Finding, Happened, Invariant
from tests.benchmarks.scenarios.chaos.kinds import KINDS
from tests.benchmarks.scenarios.chaos.plan import events
from tests.benchmarks.scenarios.chaos.telling import line_of
from tests.benchmarks.scenarios.chaos.whole import Inspector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.scenarios.chaos.ground import Ground
    from tests.benchmarks.scenarios.chaos.plan import Event

_GIVE_UP_S = 60.0
_TROUBLES = (AssertionError, OSError, StoreError, requests.RequestException)
_COMMAND = (subprocess.CalledProcessError,)


class Runner:
    """Runs the plan of a seed."""

    def __init__(self, ground: Ground, *, slower: float, begin: float) -> None:
        """Prepare.

        Args:
            ground: The service.
            slower: By what factor everything may take longer here.
            begin: Monotonic seconds; moments are told from there.
        """
        self.ground = ground
        self.happened: list[Happened] = []
        self.findings: list[Finding] = []
        self._inspector = Inspector(ground)
        self._slower = slower
        self._begin = begin

    def run(self, seed: int, kinds: Sequence[str], seconds: float) -> bool:
        """Make events until the time is over; returns False if the service did not recover."""
        end, is_whole = time.monotonic() + seconds, True
        for event in events(seed, kinds):
            time.sleep(event.pause_s)
            if time.monotonic() > end or not (is_whole := self._make(event)):
                break
        self._check_verdicts()
        return is_whole

    def _make(self, event: Event) -> bool:
        """Make one event; returns whether the service is whole after it."""
        kind, start, skipped = KINDS[event.kind], time.monotonic(), False
        try:
            made = kind.act(self.ground, event)
        except SkippedError as exc:
            made, skipped = done(str(exc)), True
        except (*_TROUBLES, *_COMMAND) as exc:
            made = done(f"failed: {exc}")
            self._find(Invariant.VERDICTS, f"{event.kind}: {exc!r}")
        end = time.monotonic()
        took_s, trouble = self._wait(made, kind.whole_s * self._slower)
        one = Happened(
            event.number, event.kind, made.words, start, end, took_s, kind.refuses, skipped
        )
        self.happened.append(one)
        click.echo(line_of(one, self._begin), err=True)
        return trouble is None

    def _wait(self, made: Done, bound_s: float) -> tuple[float, str | None]:
        """Wait until the service is whole; beyond the bound that is told, and waited for on."""
        took_s, trouble = self._inspector.wait(made.settled, bound_s)
        if trouble is None:
            return took_s, None
        self._find(Invariant.WHOLE, f"after {took_s:.1f} s: {trouble}")
        more_s, trouble = self._inspector.wait(made.settled, _GIVE_UP_S)
        if trouble is not None and self._inspector.trouble() is None:
            self._find(Invariant.VERDICTS, trouble)
            trouble = None  # it answers, so that more can be learnt
        elif trouble is not None:
            self._find(Invariant.WHOLE, f"given up after {took_s + more_s:.0f} s: {trouble}")
        return took_s + more_s, trouble

    def _check_verdicts(self) -> None:
        """Look whether a good version was condemned."""
        self.ground.note_versions()
        for version, entry in self.ground.store.control(MODEL).quarantined.items():
            if self.ground.variants.get(version):
                self._find(Invariant.VERDICTS, f"version {version} is good: {entry.reason}")

    def _find(self, invariant: Invariant, sentence: str) -> None:
        self.findings.append(Finding(invariant, time.monotonic(), sentence))
