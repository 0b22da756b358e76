"""Events that take something from the service for a while: store, disks, time, cores."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import time
from typing import TYPE_CHECKING

from model_store import StoreError
from tests.benchmarks.scenarios.chaos.done import Done, done
from tests.benchmarks.scenarios.chaos.ground import MODEL, SkippedError, mount, unmount
from tests.benchmarks.scenarios.variants import MNIST, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.benchmarks.scenarios.chaos.ground import Ground
    from tests.benchmarks.scenarios.chaos.plan import Event

CORES = 2
_BLOCK = bytes(2**20)
_DAY_S = 86_400


def store_away(ground: Ground, event: Event) -> Done:
    """Rename the store's directory, and later back."""
    seconds = event.lasts_s(0.5, 5)
    aside = ground.store.root.with_name("away")
    ground.store.root.rename(aside)
    try:
        time.sleep(seconds)
    finally:
        aside.rename(ground.store.root)
    return done(f"for {seconds:.1f} s")


def store_hidden(ground: Ground, event: Event) -> Done:
    """Mount an empty file system over the store, as when the right one is not mounted."""
    seconds = event.lasts_s(0.5, 5)
    if not (ground.mounted and mount(ground.store.root, 1)):
        raise SkippedError("nothing can be mounted by this user")
    try:
        time.sleep(seconds)
    finally:
        unmount(ground.store.root)
    return done(f"for {seconds:.1f} s")


def store_closed(ground: Ground, event: Event) -> Done:
    """Take every permission from the store's directory."""
    if os.getuid() == 0:
        raise SkippedError("permissions do not hold for root")
    seconds = event.lasts_s(0.5, 5)
    ground.store.root.chmod(0)
    try:
        time.sleep(seconds)
    finally:
        ground.store.root.chmod(0o755)
    return done(f"for {seconds:.1f} s")


def store_full(ground: Ground, event: Event) -> Done:
    """Fill the store's disk; a publisher fails, and what serves goes on."""
    seconds = event.lasts_s(0.5, 5)
    with _filled(ground, ground.place / "disk"):
        try:
            version = publish(ground.store, MODEL, MNIST[0])
        except (OSError, StoreError):
            pass
        else:
            raise AssertionError(f"version {version} was published on a full disk")
        time.sleep(seconds)
    return done(f"for {seconds:.1f} s")


def run_dir_full(ground: Ground, event: Event) -> Done:
    """Fill the disk with the service's socket and counters."""
    seconds = event.lasts_s(0.5, 5)
    with _filled(ground, ground.place / "run"):
        time.sleep(seconds)
    return done(f"for {seconds:.1f} s")


def clock_jumps(ground: Ground, event: Event) -> Done:
    """Let the clock jump by minutes or days, forwards or back, and later return."""
    if ground.clock is None:
        raise SkippedError("libfaketime is not installed (Debian: faketime)")
    seconds, by_s = event.lasts_s(0.5, 4), event.dice().choice((-_DAY_S, -90, 90, 30 * _DAY_S))
    ground.clock.set(by_s)
    try:
        time.sleep(seconds)
    finally:
        ground.clock.set(0)
    return done(f"by {by_s:+} s for {seconds:.1f} s")


def cores_taken(_ground: Ground, event: Event) -> Done:
    """Let busy loops take every core."""
    seconds = event.lasts_s(1, 6)
    with busy_loops(CORES):
        time.sleep(seconds)
    return done(f"for {seconds:.1f} s")


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Run so many programs that only compute, while the block runs."""
    loop = ["sh", "-c", "while :; do :; done"]
    running = [subprocess.Popen(loop) for _ in range(count)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


@contextlib.contextmanager
def _filled(ground: Ground, disk: Path) -> Iterator[None]:
    """Fill a disk to the last byte while the block runs."""
    if not ground.mounted:
        raise SkippedError("no small file system can be mounted by this user")
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            _write_until_full(file.write)
        yield
    finally:
        filler.unlink()


def _write_until_full(write: Callable[[bytes], int]) -> None:
    for block in (_BLOCK, b"\0"):
        try:
            while write(block):
                pass
        except OSError as exc:
            if exc.errno != errno.ENOSPC:
                raise
