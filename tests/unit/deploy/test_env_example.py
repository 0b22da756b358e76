""".env.example lists what can be set, and drifts from nothing."""

from __future__ import annotations

import re
from typing import Literal, get_args, get_origin

import pytest

from app.config.settings import PREFIX, Settings
from training.cli import cli

NAME = re.compile(r"^# ([A-Z_]+)=(.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def text(root):
    """Return the file."""
    return (root / ".env.example").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_there_with_its_meaning_and_default(text, name):
    """A setting's two lines say what the code says; a default that is worked out has an example."""
    field = Settings.model_fields[name]
    meaning = f"# {field.description}"
    if get_origin(field.annotation) is Literal:
        meaning += f" ({', '.join(get_args(field.annotation))})"
    default = ".+" if field.default is None else re.escape(str(field.default))

    assert re.search(
        rf"^{re.escape(meaning)}\n# {PREFIX}{name.upper()}={default}$", text, re.MULTILINE
    )


def test_nothing_else_is_listed(text, compose):
    """Every name belongs to the service, to training, or to docker-compose.yml."""
    of_service = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    of_training = {option.envvar for option in cli.params if option.envvar}
    of_compose = set(re.findall(r"\$\{([A-Z_]+):-", str(compose)))

    assert of_service | of_training | of_compose == {name for name, _ in NAME.findall(text)}


def test_compose_has_the_same_defaults(text, compose):
    """The ports in the file are those that compose falls back to."""
    listed = dict(NAME.findall(text))

    for name, default in re.findall(r"\$\{([A-Z_]+):-(\w+)\}", str(compose)):
        assert listed[name] == default


def test_a_copy_changes_nothing(text):
    """Every line is a comment until somebody takes the # away."""
    assert [] == [line for line in text.splitlines() if line and not line.startswith("#")]
