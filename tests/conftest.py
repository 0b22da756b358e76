"""What every test shares: the marker of its folder, its order and process, and no clock."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
KINDS = ("e2e", "integration", "unit")
"""In the order in which they run: the longest tests first, so that none is left over at the end."""
APART = (
    "e2e/test_lifecycle.py",
    "e2e/test_pairs_killed.py",
    "e2e/test_surroundings.py",
    "e2e/test_trials.py",
    "e2e/test_version_life.py",
    "e2e/test_versions.py",
    "integration/app/test_host.py",
    "integration/app/test_life_of_versions.py",
)
"""Files whose tests start services of their own, and may run beside each other."""

# A machine that is busy with something else is no reason for a test to fail.
settings.register_profile("glyph", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("glyph")

# A shell has what it starts in the background ignore this, and whatever that starts as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Scheduling(LoadScopeScheduling):
    """Keeps a file's tests together, since they share what is expensive, unless they do not."""

    def _split_scope(self, nodeid):
        path = nodeid.partition("::")[0]
        return nodeid if path.endswith(APART) else path


def pytest_xdist_make_scheduler(config, log):
    """Choose how tests are spread over processes, where there are several."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    """Mark every test with the folder it lies in, so that `-m unit` selects by it."""
    for item in items:
        if kind := _kind(item):
            item.add_marker(getattr(pytest.mark, kind))
    items.sort(key=lambda item: KINDS.index(_kind(item) or "unit"))


def _kind(item):
    """Return the folder of a test; None for the client's tests, which lie elsewhere."""
    return item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else None
