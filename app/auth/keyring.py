"""The API keys in a web worker: looked up in memory, read again when the file changes."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from app.auth.key_file import ApiKeysError, KeyFile, digest, read_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from app.auth.key_file import ApiKey

log = logging.getLogger(__name__)

_CHECK_EVERY_S = 1.0


class Caller(NamedTuple):
    """The owner of a key."""

    name: str
    limit: str | None
    """How often it may be used; None is the service's setting."""
    expires: float | None
    """When it is no longer good, in seconds since 1970; None is never."""


class KeyRing:
    """Finds keys; checks at most once a second whether their file was replaced."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        *,
        copy: Path | None = None,
    ) -> None:
        """Read the file.

        Args:
            path: The file. One that is broken now is told to the log, and read when it is mended.
            clock: Monotonic seconds.
            copy: Where the last good content is kept for a web worker that starts when the file is
                broken; it holds digests only, as the file does.
        """
        self._path = path
        self._copy = copy
        self._clock = clock
        self._callers: dict[str, Caller] = {}
        self.readable = False
        """There are keys to go by: those in the file, or those that were there last."""
        self._known = self._identity()
        self._next_check = clock() + _CHECK_EVERY_S
        self._read()

    def find(self, key: str) -> Caller | None:
        """Return the caller that a key belongs to; None if it is unknown."""
        now = self._clock()
        if now >= self._next_check:
            self._next_check = now + _CHECK_EVERY_S
            found = self._identity()
            if found != self._known:
                self._known = found
                self._read()
        # The time of the look-up depends on the digest only, from which no key can be derived.
        return self._callers.get(digest(key))

    def _identity(self) -> tuple[int, int, int] | None:
        """Return an identity of the file's content without reading it; None if it is missing."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> None:
        try:
            keys = read_keys(self._path)
        except ApiKeysError as exc:
            if not self.readable:
                self._read_copy()
            kept = "the last valid keys stay in use" if self.readable else "no key is accepted"
            log.error("the API keys in %s; %s", exc, kept)  # noqa: TRY400 - no bug
            return
        self._take(keys)
        self._write_copy(keys)

    def _take(self, keys: Iterable[ApiKey]) -> None:
        self._callers = {
            key.sha256: Caller(
                key.name, key.limit, None if key.expires is None else key.expires.timestamp()
            )
            for key in keys
        }
        self.readable = True

    def _read_copy(self) -> None:
        if self._copy is not None:
            with suppress(ApiKeysError):
                self._take(read_keys(self._copy))

    def _write_copy(self, keys: tuple[ApiKey, ...]) -> None:
        if self._copy is None:
            return
        fresh = self._copy.with_name(f"{self._copy.name}.{os.getpid()}")
        try:
            fresh.write_text(KeyFile(keys=keys).model_dump_json())
            fresh.replace(self._copy)
        except OSError as exc:
            fresh.unlink(missing_ok=True)
            log.warning(
                "no copy of %s: a worker that starts while it is broken rejects every key: %s",
                self._path,
                exc,
            )
