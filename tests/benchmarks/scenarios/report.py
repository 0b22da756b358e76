"""What a scenario found: a Markdown table, and the same as JSON."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

import click
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_OK = 200


class Report:
    """Lines of a table, each with what is wanted and whether it holds."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._lines: list[dict[str, Any]] = []

    def add(self, what: str, measured: str, wanted: str = "", *, holds: bool | None = None) -> None:
        """Add a line; `holds` is None where nothing is wanted."""
        line = {"what": what, "measured": measured, "wanted": wanted, "holds": holds}
        self._lines.append(line)

    def markdown(self) -> str:
        """Render for people."""
        head = [f"{self.title} ({platform.machine()}, Python {platform.python_version()})", ""]
        head += ["| what | measured | wanted | |", "| --- | --- | --- | --- |"]
        verdicts = {None: "", True: "holds", False: "**missed**"}
        return "\n".join(
            [
                *head,
                *(
                    f"| {x['what']} | {x['measured']} | {x['wanted']} | {verdicts[x['holds']]} |"
                    for x in self._lines
                ),
            ]
        )

    def finish(self, json_path: Path | None) -> None:
        """Print the table, and write the JSON where that is wanted."""
        click.echo(self.markdown())
        if json_path is not None:
            document = {"title": self.title, "lines": self._lines}
            json_path.write_text(json.dumps(document, indent=2) + "\n")


def percentile_ms(seconds: NDArray[np.float64], percent: float) -> float:
    """Return a percentile in milliseconds; nan of no values."""
    return float(np.percentile(seconds, percent)) * 1000 if len(seconds) else float("nan")


def p50_p99(seconds: NDArray[np.float64]) -> str:
    """Render the two percentiles that matter."""
    return f"{percentile_ms(seconds, 50):.1f} / {percentile_ms(seconds, 99):.1f} ms"


def took(records: NDArray[np.void]) -> NDArray[np.float64]:
    """Return the seconds that predictions took, measured from when they were due."""
    answered = records[records["status"] == _OK]
    seconds: NDArray[np.float64] = answered["done"] - answered["intended"]
    return seconds


def failures(records: NDArray[np.void]) -> str:
    """Count what was no prediction; empty where there is nothing."""
    failed = records["status"][records["status"] != _OK]
    return tally(failed) if len(failed) else ""


def tally(statuses: NDArray[np.int16]) -> str:
    """Count statuses; what was no answer is named."""
    names = {0: "lost", -1: "not connected", -2: "timed out"}
    values, counts = np.unique(statuses, return_counts=True)
    pairs = zip(values.tolist(), counts.tolist(), strict=True)
    return ", ".join(f"{names.get(value, value)}: {count:,}" for value, count in pairs) or "none"
