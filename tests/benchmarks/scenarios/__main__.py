"""python -m tests.benchmarks.scenarios: how the service behaves, shown on this machine."""

from __future__ import annotations

import click

from tests.benchmarks.scenarios.bad_trials import bad_trials
from tests.benchmarks.scenarios.bad_versions import bad_versions
from tests.benchmarks.scenarios.canary import canary
from tests.benchmarks.scenarios.chaos.command import chaos
from tests.benchmarks.scenarios.contract import contract
from tests.benchmarks.scenarios.encodings import encodings
from tests.benchmarks.scenarios.fairness import fairness
from tests.benchmarks.scenarios.faults import faults
from tests.benchmarks.scenarios.invariance import invariance
from tests.benchmarks.scenarios.large_pictures import large_pictures
from tests.benchmarks.scenarios.object_store import object_store
from tests.benchmarks.scenarios.overload import overload
from tests.benchmarks.scenarios.payloads import payloads
from tests.benchmarks.scenarios.photographs import photographs
from tests.benchmarks.scenarios.rollback import rollback
from tests.benchmarks.scenarios.shadow import shadow
from tests.benchmarks.scenarios.slow_clients import slow_clients
from tests.benchmarks.scenarios.soak import soak
from tests.benchmarks.scenarios.swaps import swaps
from tests.benchmarks.scenarios.tensors import tensors
from tests.benchmarks.scenarios.two_models import two_models


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Show how the service behaves under load, overload, faults and unfair callers.

    Every scenario starts a service of its own with the starter model, puts it under load from other
    processes, and prints a Markdown table. GLYPH_* settings of the environment hold for the service
    too. Figures depend on the machine and on what else it does.

    Those about versions make some from the starter first, once, which takes TensorFlow.

    python -m tests.benchmarks.scenarios overload --seconds 10 --factor 3

    python -m tests.benchmarks.scenarios faults --only host-killed --json faults.json

    GLYPH_DATA_DIR=mnist python -m tests.benchmarks.scenarios invariance
    """


_COMMANDS = (
    contract,
    invariance,
    overload,
    fairness,
    faults,
    slow_clients,
    soak,
    swaps,
    bad_versions,
    bad_trials,
    rollback,
    canary,
    shadow,
    two_models,
    chaos,
    object_store,
    encodings,
    tensors,
    payloads,
    photographs,
    large_pictures,
)
for command in _COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main()
