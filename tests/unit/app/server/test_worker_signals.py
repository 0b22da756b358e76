"""A web worker that is told to end while it starts does so."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.unit.app.signalled_workers import STAGES


@pytest.mark.parametrize("name", ["SIGTERM", "SIGQUIT", "SIGINT"])
def test_a_worker_ends_however_early_it_is_told_to(name):
    """The master may say so only once, and then waits for as long as a request may take."""
    module = "tests.unit.app.signalled_workers"
    ran = subprocess.run([sys.executable, "-m", module, name], stdout=subprocess.PIPE, check=True)

    told = json.loads(ran.stdout)
    assert dict.fromkeys(STAGES, 0) == told["ended"]
    assert 0 == told["blocked in the master"]
