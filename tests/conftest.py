"""What every test shares: its folder's marker, its order and group, no clock in generated tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
ROOT = TESTS.parent
KINDS = ("e2e", "integration", "unit")
"""In the order in which they run: the longest tests first, so that none is left over at the end."""

# A machine that is busy with something else is no reason for a test to fail.
settings.register_profile("glyph", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("glyph")

# A shell has what it starts in the background ignore this, and whatever that starts as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Mark every test with the folder it lies in, and group those that share what is expensive."""
    for item in items:
        if kind := _kind(item):
            item.add_marker(getattr(pytest.mark, kind))
        if not _has_services_of_its_own(item):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(ROOT).as_posix()))
    items.sort(key=lambda item: KINDS.index(_kind(item) or "unit"))


def _kind(item):
    """Return the folder of a test; None for the client's tests, which lie elsewhere."""
    return item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else None


def _has_services_of_its_own(item):
    """Return whether a test may run beside the others of its file: it shares no fixture."""
    return "start" in item.fixturenames and not {"service", "browser"} & set(item.fixturenames)
