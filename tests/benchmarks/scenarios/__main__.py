"""python -m tests.benchmarks.scenarios: how the service behaves, shown on this machine."""

from __future__ import annotations

import click

from tests.benchmarks.scenarios.fairness import fairness
from tests.benchmarks.scenarios.faults import faults
from tests.benchmarks.scenarios.invariance import invariance
from tests.benchmarks.scenarios.overload import overload
from tests.benchmarks.scenarios.slow_clients import slow_clients
from tests.benchmarks.scenarios.soak import soak


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Show how the service behaves under load, overload, faults and unfair callers.

    Every scenario starts a service of its own with the starter model, puts it under load from other
    processes, and prints a Markdown table. GLYPH_* settings of the environment hold for the service
    too. Figures depend on the machine and on what else it does.

    python -m tests.benchmarks.scenarios overload --seconds 10 --factor 3

    python -m tests.benchmarks.scenarios faults --only host-killed --json faults.json

    GLYPH_DATA_DIR=mnist python -m tests.benchmarks.scenarios invariance
    """


for command in (invariance, overload, fairness, faults, slow_clients, soak):
    main.add_command(command)

if __name__ == "__main__":
    main()
