"""The client's pyproject.toml agrees with the project's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def read(path):
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


@pytest.fixture
def ours():
    return read("pyproject.toml")


@pytest.fixture
def clients():
    return read("client/pyproject.toml")


@pytest.mark.parametrize("field", ["version", "requires-python"])
def test_both_have_one_version_and_one_range_of_pythons(ours, clients, field):
    """They are released together."""
    assert ours["project"][field] == clients["project"][field]


def test_both_are_built_by_the_same_release(ours, clients):
    """The constraints file does not reach the build."""
    assert ours["build-system"] == clients["build-system"]


def test_the_client_is_tested_with_what_it_asks_for(ours, clients):
    """The development environment does not install it, but its requirements, in the same ranges."""
    project = ours["project"]
    installed = project["dependencies"] + project["optional-dependencies"]["dev"]

    assert [] == [one for one in clients["project"]["dependencies"] if one not in installed]
