"""Publishes versions from a process of its own.

python -m tests.benchmarks.scenarios.publisher LOCATION MODEL VARIANT COUNT
"""

from __future__ import annotations

import subprocess
import sys

from model_store import open_store
from tests.benchmarks.scenarios.variants import publish
from tests.service import ROOT


def publishing(
    location: str, model: str, variant: str, count: int, **environ: str
) -> subprocess.Popen[str]:
    """Start a publisher, which prints the numbers."""
    module = "tests.benchmarks.scenarios.publisher"
    command = [sys.executable, "-m", module, location, model, variant, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environ)


def main(location: str, model: str, variant: str, count: str) -> None:
    """Publish a variant so many times."""
    store = open_store(location)
    for _ in range(int(count)):
        print(publish(store, model, variant), flush=True)  # noqa: T201 - that is what is asked for


if __name__ == "__main__":
    main(*sys.argv[1:])
