"""The file of API keys: names, digests and limits; never a key.

Writers replace it as a whole, one after the other, so that readers need no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.config.rates import Rate  # noqa: TC001 - pydantic needs it at run time
from model_store.base.json_documents import sync, write_new
from model_store.base.validation import first_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_MOST_KEYS = 10_000
_MOST_BYTES = 4 * 2**20
_PRIVATE = 0o600
_PREFIX = "glyph_"
"""So that tools that look for secrets in code know one when they see it."""
_STRICT = ConfigDict(extra="forbid", frozen=True)


class ApiKeysError(Exception):
    """Raised when the file of API keys cannot be used; the message holds no more than names."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.problem}"


class ApiKey(BaseModel):
    """A stored key."""

    model_config = _STRICT

    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the key, in hexadecimal digits."""
    created: AwareDatetime
    limit: Rate | None = None
    """None is the service's setting."""
    expires: AwareDatetime | None = None


class KeyFile(BaseModel):
    """The whole file."""

    model_config = _STRICT

    schema_version: Literal[1] = 1
    keys: Annotated[tuple[ApiKey, ...], Field(max_length=_MOST_KEYS)] = ()

    @model_validator(mode="after")
    def _are_distinct(self) -> KeyFile:
        if len({key.name for key in self.keys}) < len(self.keys):
            raise ValueError("two keys have the same name")
        if len({key.sha256 for key in self.keys}) < len(self.keys):
            raise ValueError("two names have the same key")
        return self


def digest(key: str) -> str:
    """Return the digest that a key is stored and found by.

    A key is 256 random bits, which nobody can guess however cheap a guess is; a slow hash and salt
    protect what people think up.
    """
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Read the file.

    Raises:
        ApiKeysError: If it is missing, too large or malformed.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except OSError as exc:
        raise ApiKeysError(path, f"cannot be read: {exc.strerror}") from exc
    if len(data) > _MOST_BYTES:
        raise ApiKeysError(path, f"is longer than {_MOST_BYTES} bytes")
    try:
        return KeyFile.model_validate_json(data).keys
    except ValidationError as exc:
        # Not what was found there: it may be a key that somebody put in by hand.
        raise ApiKeysError(path, str(first_error(exc))) from None


def create_key(path: Path, name: str, *, limit: str | None, days: int | None) -> str:
    """Create a key, and the file if there is none; return the key, which is not stored.

    Args:
        path: The file.
        name: Of the key, in logs and metrics.
        limit: How often it may be used; None is the service's setting.
        days: How long it is good; None is until it is revoked.

    Raises:
        ApiKeysError: If the name is taken, or the file cannot be used.
        OSError: If it cannot be written.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC).replace(microsecond=0)
    expires = now + timedelta(days=days) if days is not None else None
    made = ApiKey(name=name, sha256=digest(key), created=now, limit=limit, expires=expires)
    with _locked(path):
        keys = read_keys(path) if path.exists() else ()
        if name in {known.name for known in keys}:
            raise ApiKeysError(
                path, f"has a key named {name}; revoke it first, or choose another name"
            )
        if len(keys) == _MOST_KEYS:
            raise ApiKeysError(path, f"has {_MOST_KEYS} keys, which is the maximum")
        _replace(path, KeyFile(keys=(*keys, made)))
    return key


def revoke_key(path: Path, name: str) -> None:
    """Take a key out of the file.

    Raises:
        ApiKeysError: If there is none of that name, or the file cannot be used.
        OSError: If it cannot be written.
    """
    with _locked(path):
        keys = read_keys(path)
        left = tuple(key for key in keys if key.name != name)
        if len(left) == len(keys):
            names = ", ".join(key.name for key in keys) or "none"
            raise ApiKeysError(path, f"has no key named {name}; keys: {names}")
        _replace(path, KeyFile(keys=left))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Serialize the changes of a directory's files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _replace(path: Path, content: KeyFile) -> None:
    path = path.resolve()  # a link stays one
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_new(temporary, content)
        _make_alike(temporary, path)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def _make_alike(new: Path, old: Path) -> None:
    """Copy owner and mode of the old file to the new one."""
    if not old.exists():
        new.chmod(_PRIVATE)
        return
    was = old.stat()
    if os.geteuid() == 0:
        os.chown(new, was.st_uid, was.st_gid)
    new.chmod(was.st_mode & 0o777)
