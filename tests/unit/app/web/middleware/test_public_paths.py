"""Which requests need an API key."""

from __future__ import annotations

import pytest

from app.web.middleware.public_paths import is_change
from model_store.operations.commands import COMMANDS


@pytest.mark.parametrize("action", COMMANDS)
def test_every_admin_action_counts_as_a_change(action):
    """The gate leaves it to the route, which checks the admin token."""
    assert is_change("POST", f"/models/mnist/{action}")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/models/mnist/pin", True),
        ("GET", "/models/mnist/pin", False),
        ("POST", "/models/mnist/predict", False),
        ("POST", "/v2/repository/models/mnist/load", True),
    ],
)
def test_an_admin_action_is_a_change_only_when_it_is_posted(method, path, expected):
    """A prediction is none, though its path looks alike."""
    assert is_change(method, path) is expected
