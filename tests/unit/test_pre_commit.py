"""The hooks of pre-commit run what `make lint` runs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def commands_of_make() -> list[str]:
    """Return the commands of the target `lint`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    target = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert target
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in target[1].splitlines()]


def test_the_hooks_are_the_checkers_of_make_lint():
    """They have one list of checkers and one place for versions: the locks."""
    document = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = document["repos"]
    entries = [hook["entry"] for hook in repository["hooks"]]

    assert "local" == repository["repo"]
    assert commands_of_make() == [
        entry.removeprefix("sh -c '").removesuffix("'") for entry in entries
    ]
