"""Journal in the run directory by which a model host learns why the previous one crashed.

A host that is killed cannot report, so each risky step is recorded before it is taken. The journal
is optional: if it cannot be written, the service continues without it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import mmap
import os
import time
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from app.config.run_dir import FRESH_JOURNAL, HOST_COMPUTING, HOST_CRASH, HOST_JOURNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

log = logging.getLogger(__name__)

STRIKES = 2
"""A version that has ended so many hosts is given up. One may be an accident."""
LOADS = 3
"""The same for loads during which a host ended; some hosts are killed for another reason."""
_DIGEST_BYTES = 64
"""Of a SHA-256 in hexadecimal."""
_MEMORY_S = 3600.0
"""How long a strike counts."""


class Strike(BaseModel):
    """A host that a version ended."""

    at: float
    """Monotonic seconds, which all processes of a machine share."""
    reason: str


class _Pages(BaseModel):
    loading: str | None = None
    """Digest of the version that is being loaded."""
    interrupted: dict[str, int] = {}
    """How many hosts ended while they loaded a version, by its digest."""
    strikes: dict[str, list[Strike]] = {}


class HostJournal:
    """Read once at the start of a host, written as it goes."""

    def __init__(self, run_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the journal of the previous host, and evaluate its end.

        Args:
            run_dir: Run directory of the service.
            clock: Monotonic seconds.
        """
        self._path = run_dir / HOST_JOURNAL
        self._crash = run_dir / HOST_CRASH
        self._clock = clock
        self._pages = self._read()
        self._crash_log: IO[str] | None = None
        self._mark = self._map(run_dir / HOST_COMPUTING)
        self._settle()

    def catch_crashes(self) -> None:
        """Let the interpreter record a fatal signal of this process."""
        with contextlib.suppress(OSError):
            self._crash_log = self._crash.open("w")
            faulthandler.enable(self._crash_log)

    def close(self) -> None:
        """Stop recording crashes."""
        if self._crash_log is not None:
            faulthandler.disable()
            self._crash_log.close()

    @contextlib.contextmanager
    def loading(self, digest: str) -> Iterator[None]:
        """Mark a version as being loaded while the block runs."""
        self._pages.loading = digest
        self._write()
        try:
            yield
        finally:
            self._pages.loading = None
            self._write()

    def loaded(self, digest: str) -> None:
        """Record that a version was loaded; clear its interruptions."""
        if self._pages.interrupted.pop(digest, None):
            self._write()

    def computing(self, digest: str) -> None:
        """Mark the version of the current batch; called for each one, so it only writes memory."""
        if self._mark is not None and len(digest) == _DIGEST_BYTES:
            self._mark[:] = digest.encode()

    def strike(self, digest: str, reason: str) -> None:
        """Record that a version is the reason why this host ends."""
        self._pages.strikes.setdefault(digest, []).append(Strike(at=self._clock(), reason=reason))
        self._write()

    def forget(self, digest: str) -> None:
        """Delete the strikes of a version that has been given up."""
        self._pages.strikes.pop(digest, None)
        self._write()

    def interruptions(self, digest: str) -> int:
        """Return how many hosts ended while they loaded a version."""
        return self._pages.interrupted.get(digest, 0)

    def verdict(self, digest: str) -> str | None:
        """Return why a version is to be given up, if it is."""
        strikes = self._pages.strikes.get(digest, [])
        if len(strikes) < STRIKES:
            return None
        return f"{strikes[-1].reason}; that ended the model host {len(strikes)} times"

    @property
    def has_strikes(self) -> bool:
        """Whether any version has ended a host recently."""
        return bool(self._pages.strikes)

    def _settle(self) -> None:
        """Convert the marks of a host that crashed into strikes and interruptions."""
        pages, now = self._pages, self._clock()
        for digest, strikes in list(pages.strikes.items()):
            recent = [strike for strike in strikes if now - strike.at < _MEMORY_S]
            pages.strikes[digest] = recent
            if not recent:
                del pages.strikes[digest]
        crash = self._read_crash()
        if pages.loading is not None:
            digest = pages.loading
            pages.interrupted[digest] = pages.interrupted.get(digest, 0) + 1
        if crash is not None:
            log.error("the model host before this one crashed: %s", crash)
            if blamed := pages.loading or self._marked():
                self.strike(blamed, f"the model host crashed ({crash})")
        pages.loading = None
        self._write()

    def _map(self, path: Path) -> mmap.mmap | None:
        """Map the file with the mark of the batch; return None if it cannot be mapped."""
        try:
            with path.open("a+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, _DIGEST_BYTES)
                return mmap.mmap(stream.fileno(), _DIGEST_BYTES)
        except OSError as exc:
            log.debug("%s cannot be mapped: %s", path, exc)
            return None

    def _marked(self) -> str | None:
        """Return the digest of the version that computed last in the host before."""
        marked = self._mark[:].rstrip(b"\0").decode(errors="replace") if self._mark else ""
        return marked or None

    def _read(self) -> _Pages:
        try:
            return _Pages.model_validate_json(self._path.read_bytes())
        except (
            OSError,
            ValidationError,
        ):  # there was no previous host, or its write was interrupted
            return _Pages()

    def _read_crash(self) -> str | None:
        """Return the first line of what the interpreter wrote about a fatal signal."""
        try:
            lines = self._crash.read_text(errors="replace").splitlines()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            self._crash.unlink()
        return lines[0].removeprefix("Fatal Python error: ") if lines else None

    def _write(self) -> None:
        fresh = self._path.with_name(FRESH_JOURNAL)
        try:
            fresh.write_text(self._pages.model_dump_json())
            fresh.replace(self._path)
        except OSError as exc:
            log.debug("the journal %s cannot be written: %s", self._path, exc)
