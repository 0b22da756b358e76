"""Does a rollback hold: against newer versions, and over a restart?"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model_store import ModelStore
from tests.benchmarks.scenarios.report import Report
from tests.benchmarks.scenarios.stage import json_option, served
from tests.benchmarks.scenarios.states import described, states, wait_for_default
from tests.benchmarks.scenarios.under_load import asked_meanwhile
from tests.benchmarks.scenarios.variants import publish
from tests.service import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service import Service


@dataclass(slots=True)
class Story:
    """Goes on step by step, under load."""

    report: Report
    store: ModelStore
    clients: int

    @contextlib.contextmanager
    def served(self, name: str) -> Iterator[Service]:
        """Run a service on the store, with clients while the block runs."""
        with (
            served(self.store.root) as service,
            asked_meanwhile(self.report, name, service, self.clients),
        ):
            yield service

    def tell(self, what: str, service: Service, version: int, pinned: int | None) -> None:
        """Report which version serves and which is pinned."""
        wait_for_default(service, version)
        found = described(service)
        self.report.add(
            what,
            f"version {found['default_version']} serves; pinned: {found['pinned']}",
            f"version {version} serves; pinned: {pinned}",
            holds=(found["default_version"], found["pinned"]) == (version, pinned),
        )

    def command(self, *arguments: str) -> str:
        """Run glyph models; gives what it prints."""
        command = [
            sys.executable,
            "-m",
            "app",
            "models",
            *arguments,
            "--store",
            str(self.store.root),
        ]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    def tell_history(self) -> None:
        """Report what operators did, as the store tells it."""
        orders = [c for c in self.store.history("mnist") if c.action in ("rollback", "unpin")]
        told = "; ".join(
            f"{c.generation}: {c.action} of version {c.version} by {c.by} at {c.at:%H:%M:%S}, "
            f"{c.reason!r}"
            for c in orders
        )
        wanted = [("rollback", 2, "threes look like eights"), ("unpin", 2, "mended")]
        found = [(c.action, c.version, c.reason) for c in orders]
        self.report.add("the history shows", told, "both, in order", holds=found == wanted)
        self.report.add(
            "glyph models history", f"{len(self.command('history').splitlines())} lines"
        )

    def publish(self, variant: str) -> int:
        """Publish the next version."""
        return publish(self.store, "mnist", variant)


@click.command()
@click.option("--clients", default=8, show_default=True)
@json_option
def rollback(clients: int, json_path: Path | None) -> None:
    """Roll back, publish a newer version, restart, and unpin, while clients ask without pause.

    python -m tests.benchmarks.scenarios rollback
    """
    report = Report(f"Rollback under {clients} clients")
    with tempfile.TemporaryDirectory() as place:
        story = Story(report, ModelStore(Path(place) / "models"), clients)
        for variant in ("good-0", "good-1"):
            story.publish(variant)
        with story.served("before the restart") as service:
            wait_for_default(service, story.publish("good-2"))
            story.command("rollback", "--reason", "threes look like eights")
            story.tell("rolled back from version 3", service, 2, 2)
            newest = story.publish("good-0")
            wait_until(lambda: states(service).get(newest) == "serving", "the newest was tried")
            story.tell(f"good version {newest} published and tried", service, 2, 2)
        with story.served("after the restart") as service:
            story.tell("restarted", service, 2, 2)
            story.command("unpin", "--reason", "mended")
            story.tell("unpinned", service, newest, None)
        story.tell_history()
    report.finish(json_path)
