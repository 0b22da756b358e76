"""Which requests need an API key."""

import pytest

from app.web.api.admin.commands import COMMANDS
from app.web.middleware.public_paths import ADMIN_ACTIONS, is_change


def test_every_admin_action_counts_as_a_change():
    """The names that the gate knows are those that the route takes."""
    assert set(COMMANDS) == ADMIN_ACTIONS


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
