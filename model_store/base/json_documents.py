"""Read and write the JSON documents of a store: validated on the way in, durable on the way out."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from model_store.base.errors import InvalidDocumentError, StoreError
from model_store.base.files import read_file
from model_store.base.validation import first_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_DOCUMENT_BYTES = 4 * 2**20
"""Bound on a document before it is parsed; real ones are a few KiB."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

D = TypeVar("D", bound=BaseModel)


class Document(BaseModel):
    """Base of what is written to the store: immutable, and unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_document(path: Path, kind: type[D]) -> D:
    """Parse and validate a JSON document.

    Raises:
        InvalidDocumentError: If it is missing, too large, not JSON, or breaks the schema; the
            error names the file and the first offending field.
    """
    return parse_document(path, read_bytes(path), kind)


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a document.

    Raises:
        InvalidDocumentError: If it is missing, too large, or no regular file.
    """
    try:
        return read_file(path, MAX_DOCUMENT_BYTES)
    except OSError as exc:
        raise InvalidDocumentError(path, None, f"cannot be read: {exc.strerror}") from exc


def parse_document(where: Path | str, data: bytes, kind: type[D]) -> D:
    """Validate the JSON of a document that was read from a file or a URL.

    Raises:
        InvalidDocumentError: If it is too large, not JSON, or breaks the schema; the error says
            where it stands and names the first offending field.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        problem = f"is longer than the {MAX_DOCUMENT_BYTES} bytes that are read"
        raise InvalidDocumentError(where, None, problem)
    try:
        return kind.model_validate_json(data)
    except ValidationError as exc:
        first = first_error(exc)
        raise InvalidDocumentError(where, first.field, first.problem_and_found) from exc


def write_document(path: Path, document: BaseModel) -> None:
    """Replace a document atomically: a reader sees the old or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_new(temporary, document)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def write_new(path: Path, document: BaseModel) -> None:
    """Write a document that is not there yet, to the disk.

    Raises:
        FileExistsError: If it is.
    """
    with path.open("x", encoding="utf-8") as stream:
        stream.write(dump(document))
        stream.flush()
        os.fsync(stream.fileno())


def dump(document: BaseModel) -> str:
    """Return the text of a document.

    Raises:
        StoreError: If it could not be read back.
    """
    text = json.dumps(document.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    kind = type(document).__name__.lower()
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        raise StoreError(f"the {kind} holds a character that is no Unicode: {exc.reason}") from exc
    if size > MAX_DOCUMENT_BYTES:
        raise StoreError(f"the {kind} is {size} bytes long; at most {MAX_DOCUMENT_BYTES} are read")
    return text


def flatten(value: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of a JSON value one by one, inner ones named with their path."""
    if not isinstance(value, dict):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from flatten(inner, f"{prefix}.{key}" if prefix else key)


def sync(path: Path) -> None:
    """Force a file or a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Force a directory and everything below it to the disk."""
    for path in directory.rglob("*"):
        sync(path)
    sync(directory)
