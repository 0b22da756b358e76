"""The directories in which versions are made; each is locked as long as its publisher lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from model_store.base.errors import StoreError, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_store.version.metadata import Description

    SignHook = Callable[[Path], None]

_PREFIX = ".draft-"


def unsigned(_draft: Path) -> None:
    """Leave a finished draft as it is."""


class Draft:
    """A version being made: put files below `path`, then `commit`."""

    def __init__(self, path: Path, publish: Callable[[Path, Description, SignHook], int]) -> None:
        self.path = path
        self._publish = publish

    def commit(self, description: Description, sign_hook: SignHook = unsigned) -> int:
        """Write metadata and manifest, then make the whole the next version; gives its number.

        Args:
            description: What the publisher knows of the version.
            sign_hook: Is given the finished directory, whose number is known by then, and may put a
                signature into it.

        Raises:
            PublishError: If it cannot be moved for another reason than a taken number.
        """
        return self._publish(self.path, description, sign_hook)


def create(directory: Path) -> Path:
    """Make an empty draft."""
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=directory))


def remove_abandoned(directory: Path) -> int:
    """Remove the drafts whose publisher was killed; gives their number."""
    abandoned = [path for path in directory.glob(f"{_PREFIX}*") if _is_abandoned(path)]
    for path in abandoned:
        shutil.rmtree(path, ignore_errors=True)
    return len(abandoned)


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; the kernel gives it back when the process dies, however it dies."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # whatever it is, it can be locked
    try:
        _flock(path, descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock_within(directory: Path, name: str) -> Iterator[None]:
    """Hold the lock of a directory, a file in it that is made when it is needed."""
    path = directory / name
    if not path.exists():  # another user's lock can be held, but not touched
        path.touch()
    with lock(path):
        yield


@contextlib.contextmanager
def begin(directory: Path, lock_name: str, action: str = "open a draft") -> Iterator[Path]:
    """Make a draft in a directory, after those that killed processes left are removed.

    It is removed at the end unless it has been moved.
    """
    with contextlib.ExitStack() as held:
        with explained(action):
            directory.mkdir(parents=True, exist_ok=True)
            with lock_within(directory, lock_name):  # nobody takes the draft for an abandoned one
                remove_abandoned(directory)
                path = create(directory)
                held.callback(shutil.rmtree, path, ignore_errors=True)
                held.enter_context(lock(path))
        yield path


def _is_abandoned(draft: Path) -> bool:
    try:
        descriptor = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # gone already, or not ours to remove
        return False
    try:
        _flock(draft, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _flock(path: Path, descriptor: int, operation: int) -> None:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        raise
    except OSError as exc:  # some network file systems have no locks
        raise StoreError(f"cannot lock {path}: {exc.strerror}") from exc
