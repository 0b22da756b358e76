"""What every test shares: the marker of its folder, and no clock in generated tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
KINDS = ("unit", "integration", "e2e")

# A machine that is busy with something else is no reason for a test to fail.
settings.register_profile("glyph", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("glyph")

# A shell has what it starts in the background ignore this, and whatever that starts as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Mark every test with the folder it lies in, so that `-m unit` selects by it."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        kind = item.path.relative_to(TESTS).parts[0]
        if kind in KINDS:
            item.add_marker(getattr(pytest.mark, kind))
