"""A program that publishes into an object store: object_publisher URL CACHE N [MOMENT].

It says that it is ready, waits for a line, publishes N versions and prints their numbers. At a
MOMENT it stops for ever, and says so.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from model_store.stores.bucket import ObjectStore
from tests.integration.model_store.publisher import DESCRIPTION

FILES = 4


class Stopping:
    """Stands before a store's objects, and stops at a moment."""

    def __init__(self, objects, moment: str) -> None:
        self._objects = objects
        self._moment = moment

    def __getattr__(self, name):
        return getattr(self._objects, name)

    def upload(self, files) -> None:
        if self._moment == "reserved":
            stop()
        some = dict(list(files.items())[: FILES // 2])
        self._objects.upload(some if self._moment == "half" else files)
        if self._moment in ("half", "uploaded"):
            stop()


def stop() -> None:
    print("stopped", flush=True)  # noqa: T201 - the parent reads it
    signal.pause()


def publish(store: ObjectStore) -> int:
    with store.draft("mnist") as draft:
        (draft.path / "variables").mkdir()
        for index in range(FILES):
            (draft.path / "variables" / f"{index}.bin").write_bytes(os.urandom(64))
        return draft.commit(DESCRIPTION.model_copy(update={"seed": os.getpid()}))


def main() -> None:
    url, cache, versions, *moment = sys.argv[1:]
    store = ObjectStore(url, Path(cache))
    if moment:
        store._objects = Stopping(store._objects, *moment)
    print("ready", store.latest("mnist"), flush=True)  # noqa: T201 - the parent reads it
    sys.stdin.readline()
    for _ in range(int(versions)):
        print(publish(store), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main()
