"""A program whose children publish versions without end: publisher.py STORE CHILDREN."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from model_store import (
    Acceptance,
    Dataset,
    Description,
    InputSpec,
    Metrics,
    ModelStore,
    OutputSpec,
)

DESCRIPTION = Description(
    classes=("ring", "line"),
    input=InputSpec(name="images", dtype="uint8", shape=(28, 28, 1)),
    output=OutputSpec(name="probabilities", dtype="float32", shape=(2,)),
    recipe="softmax",
    parameters={},
    seed=0,
    dataset=Dataset(name="shapes", train_images=1, validation_images=0, test_images=1, digests={}),
    metrics=Metrics(
        accuracy=1, correct=1, total=1, interval_95=(0, 1), loss=0, per_class_recall={}
    ),
    parameter_count=1,
    duration_s=1,
    code_revision=None,
    versions={},
    acceptance=Acceptance(rule="none", parent=None, parent_accuracy=None),
)


def main() -> None:
    """Start publishers and print their process ids; each prints the numbers it publishes."""
    os.fsync = lambda _descriptor: None  # a kill, unlike a power cut, loses nothing written
    store, n = ModelStore(Path(sys.argv[1])), int(sys.argv[2])
    say("started", *[start(store) for _ in range(n)])
    signal.pause()


def start(store: ModelStore) -> int:
    pid = os.fork()
    while pid == 0:
        say(publish(store))
    return pid


def say(*words: object) -> None:
    """Print a line at once, so that those of other processes do not get into it."""
    os.write(sys.stdout.fileno(), f"{' '.join(map(str, words))}\n".encode())


def publish(store: ModelStore) -> int:
    with store.draft("mnist") as draft:
        (draft.path / "variables").mkdir()
        for index in range(16):
            (draft.path / "variables" / f"{index}.bin").write_bytes(os.urandom(64))
        return draft.commit(DESCRIPTION.model_copy(update={"seed": os.getpid()}))


if __name__ == "__main__":
    main()
