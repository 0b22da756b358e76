"""Shared by the client's tests: the marker, and no deadline in generated tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# A machine that is busy with something else is no reason for a test to fail.
settings.register_profile("glyph", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("glyph")


def pytest_collection_modifyitems(items):
    """Mark every test here, so that `-m unit` selects it."""
    for item in items:
        if item.path.is_relative_to(TESTS):
            item.add_marker(pytest.mark.unit)
