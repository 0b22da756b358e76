"""Reads `multipart/form-data`, as browsers and `curl -F` send it: a picture's file in a part.

Text beside them is passed over, and so are inputs for files that nobody has touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from werkzeug.sansio.multipart import Event

    from app.web.inputs.images import Images, ReadPictures

_SLICE_BYTES = 64 * 2**10
_MOST_HELD_BYTES = 2 * _SLICE_BYTES
"""What the parser holds of what it has not understood yet, such as a part's headers."""
_LONGEST_BOUNDARY = 70  # RFC 2046
_QUOTE_LENGTH = 60
_MOST_OTHERS = 100
"""Texts and untouched inputs of one form. Each takes as long to parse as a file."""

_Named = tuple[str, list[bytes]]
"""A file's name, which is empty where none was chosen, and its content in pieces."""


def decode_form(
    body: bytes,
    content_type: str,
    max_images: int,
    pictures: ReadPictures,
    *,
    reserved: Container[str] = (),
) -> Images:
    """Decode the files of a form.

    Args:
        body: The form.
        content_type: The request's header, which has the boundary.
        max_images: Bound on the files.
        pictures: Reads them.
        reserved: Names of fields that belong into the query, and are rejected in a form.

    Raises:
        BadInputError: If it is malformed, has a reserved field, or no file.
        TooLargeError: If there are too many files.
        ServiceError: If a file is no picture that is read.
    """
    events = _events(body, _boundary(content_type))
    files = _chosen_of(events, max_images, reserved)
    if not files:
        raise BadInputError(
            "the form has no file; give at least one picture", code=ErrorCode.IMAGES_NONE
        )
    names = [name[:_QUOTE_LENGTH] for name, _ in files]
    return pictures([b"".join(file) for _, file in files], lambda i: f"file {i} ({names[i]!r})")


def _chosen_of(events: Iterable[Event], max_images: int, reserved: Container[str]) -> list[_Named]:
    files: list[_Named] = []
    pieces: list[bytes] = []
    others = 0
    for event in events:
        if isinstance(event, Data):
            pieces.append(event.data)
            continue
        pieces = []
        if _last_is_untouched(files):
            files.pop()
            others += 1
        others += isinstance(event, Field)
        if isinstance(event, File):
            files.append((event.filename, pieces))
        elif isinstance(event, Field) and event.name in reserved:
            found = f"the form's field {event.name!r} is not read"
            raise BadInputError(
                f"{found}; give it in the query: ?{event.name}=...",
                code=ErrorCode.REQUEST_PARAMETER,
            )
        _check_counts(files, others, max_images)
    _check_counts(files, others, max_images)
    if _last_is_untouched(files):
        files.pop()
    return files


def _last_is_untouched(files: list[_Named]) -> bool:
    """Check whether the last file input is empty; those before were checked in their turn."""
    return bool(files) and not files[-1][0] and not any(files[-1][1])


def _check_counts(files: list[_Named], others: int, max_images: int) -> None:
    if others > _MOST_OTHERS:
        message = f"the form has more than {_MOST_OTHERS} parts that are no files"
        raise TooLargeError(f"{message}; at most so many are passed over", limit=_MOST_OTHERS)
    if len(files) - _last_is_untouched(files) > max_images:
        message = f"the form has more than {max_images} files; at most so many are taken"
        raise TooLargeError(message, limit=max_images, code=ErrorCode.IMAGES_TOO_MANY)


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not 1 <= len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii():
        found = f"has the boundary {boundary[:80]!r}" if boundary else "has no boundary"
        expected = f"1 to {_LONGEST_BOUNDARY} ASCII characters are expected"
        raise BadInputError(f"the Content-Type of the form {found}; {expected}")
    return boundary.encode()


def _events(body: bytes, boundary: bytes) -> Iterator[Event]:
    decoder = MultipartDecoder(boundary, _MOST_HELD_BYTES)
    try:
        for start in range(0, len(body), _SLICE_BYTES):
            decoder.receive_data(body[start : start + _SLICE_BYTES])
            yield from _ready(decoder)
        decoder.receive_data(None)
        yield from _ready(decoder)
    except RequestEntityTooLarge:
        message = f"more than {_SLICE_BYTES} bytes of the form are outside of its files"
        raise BadInputError(message) from None
    except ValueError:
        raise BadInputError("the form is cut off, or its parts are malformed") from None


def _ready(decoder: MultipartDecoder) -> Iterator[Event]:
    while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
        yield event
