"""A program that changes a model's labels without end: changer.py STORE NAME."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from model_store import ModelStore
from model_store.operations import labels_and_traffic


def main() -> None:
    """Set the labels NAME-1, NAME-2, ... and print each number once its change was made."""
    store, name = ModelStore(Path(sys.argv[1])), sys.argv[2]
    for number in itertools.count(1):
        labels_and_traffic.label(store, "mnist", f"{name}-{number}", 1, by=name, force=True)
        print(number, flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main()
