"""Versions that misbehave while they are tried: by their graphs, their files, or a marker."""

from __future__ import annotations

import os
import random
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.scenarios.hooks.sitecustomize import MARKER
from tests.benchmarks.scenarios.variants import MNIST, made, publish_directory, variants

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_store import Store

_HOOKS = Path(__file__).with_name("hooks")
_WEIGHTS = "variables/variables.data-00000-of-00001"
_FLIPS = 200


def with_hooks() -> str:
    """Return the PYTHONPATH for a service in which versions with a marker misbehave."""
    return os.pathsep.join([str(_HOOKS), *filter(None, [os.environ.get("PYTHONPATH")])])


def _marked(kind: str, directory: Path, _turn: int) -> None:
    (directory / MARKER).write_text(kind)


def _graph(kind: str, directory: Path, _turn: int) -> None:
    shutil.copytree(made("make_misbehaving") / kind, directory, dirs_exist_ok=True)


def _cut(name: str, directory: Path, turn: int) -> None:
    """Cut a file; the manifest, which is written later, has the right digest of what is left."""
    content = (directory / name).read_bytes()
    (directory / name).write_bytes(content[: len(content) * (turn % 7) // 8])


def _scrambled(name: str, directory: Path, turn: int) -> None:
    """Change bytes of a file here and there; the manifest has the right digest again."""
    content = bytearray((directory / name).read_bytes())
    dice = random.Random(turn)  # noqa: S311 - no secret
    for _ in range(_FLIPS):
        content[dice.randrange(len(content))] = dice.randrange(256)
    (directory / name).write_bytes(content)


KINDS: dict[str, Callable[[Path, int], None]] = {
    "abort": partial(_marked, "abort"),
    "segfault": partial(_marked, "segfault"),
    "exhaust memory": partial(_marked, "exhaust memory"),
    "never end": partial(_marked, "never end"),
    "sleep": partial(_marked, "sleep"),
    "fork": partial(_marked, "fork"),
    "fork away": partial(_marked, "fork away"),
    "exit": partial(_marked, "exit"),
    "endless graph": partial(_graph, "endless graph"),
    "4 GiB constant": partial(_graph, "4 GiB constant"),
    "4 GiB computed": partial(_graph, "4 GiB computed"),
    "deep graph": partial(_graph, "deep graph"),
    "scrambled graph": partial(_scrambled, "saved_model.pb"),
    "scrambled index of weights": partial(_scrambled, "variables/variables.index"),
    "cut weights": partial(_cut, _WEIGHTS),
}
"""What is wrong -> changes a good version's directory into that; turns of a kind differ."""


def publish_misbehaving(store: Store, kind: str, turn: int = 0) -> int:
    """Publish a version of mnist that misbehaves; returns its number."""
    source = variants() / MNIST[0]
    return publish_directory(store, "mnist", source, lambda at: KINDS[kind](at, turn))
