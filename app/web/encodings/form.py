"""Takes `multipart/form-data`, as browsers and `curl -F` send it: a picture's file in a part.

Text beside them is passed over, and so are inputs for files that nobody has touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from app.web.errors import BadInputError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from werkzeug.sansio.multipart import Event

    from app.web.encodings.images import Images, ReadPictures

_SLICE_BYTES = 64 * 2**10
_MOST_HELD_BYTES = 2 * _SLICE_BYTES
"""What the parser holds of what it has not understood yet, such as a part's headers."""
_LONGEST_BOUNDARY = 70  # RFC 2046
_QUOTE_LENGTH = 60


def decode_form(
    body: bytes,
    content_type: str,
    max_images: int,
    pictures: ReadPictures,
    pause: Callable[[], object] = lambda: None,
    *,
    reserved: Container[str] = (),
) -> Images:
    """Decode the files of a form.

    Args:
        body: The form.
        content_type: The request's header, which has the boundary.
        max_images: Bound on the files.
        pictures: Reads them.
        pause: Called now and then, to let others go on.
        reserved: Names of fields that say something where a form is not listened to.

    Raises:
        BadInputError: If it is malformed, has a reserved field, or no file.
        TooLargeError: If there are too many files.
        ServiceError: If a file is no picture that is read.
    """
    files: list[tuple[str, list[bytes]]] = []
    pieces: list[bytes] = []
    for event in _events(body, _boundary(content_type), pause):
        if isinstance(event, Data):
            pieces.append(event.data)
        elif isinstance(event, Field):
            pieces = []  # of no file, so that they are let go of
            if event.name in reserved:
                found = f"the form's field {event.name!r} is not listened to"
                raise BadInputError(f"{found}; give it in the query: ?{event.name}=...")
        elif isinstance(event, File):
            pieces = []
            files = [file for file in files if _is_chosen(*file)]
            files.append((event.filename, pieces))
            if event.filename and len(files) > max_images:
                sentence = f"the form has more than {max_images} files; at most so many are taken"
                raise TooLargeError(sentence, limit=max_images)
    files = [file for file in files if _is_chosen(*file)]
    if not files:
        raise BadInputError("the form has no file; give at least one picture")
    names = [name[:_QUOTE_LENGTH] for name, _ in files]
    return pictures([b"".join(file) for _, file in files], lambda i: f"file {i} ({names[i]!r})")


def _is_chosen(name: str, pieces: list[bytes]) -> bool:
    return bool(name) or any(pieces)


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not 1 <= len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii():
        found = f"has the boundary {boundary[:80]!r}" if boundary else "has no boundary"
        expected = f"1 to {_LONGEST_BOUNDARY} ASCII characters are expected"
        raise BadInputError(f"the Content-Type of the form {found}; {expected}")
    return boundary.encode()


def _events(body: bytes, boundary: bytes, pause: Callable[[], object]) -> Iterator[Event]:
    decoder = MultipartDecoder(boundary, _MOST_HELD_BYTES)
    try:
        for start in range(0, len(body), _SLICE_BYTES):
            if start:
                pause()
            decoder.receive_data(body[start : start + _SLICE_BYTES])
            yield from _ready(decoder)
        decoder.receive_data(None)
        yield from _ready(decoder)
    except RequestEntityTooLarge:
        sentence = f"more than {_SLICE_BYTES} bytes of the form are outside of its files"
        raise BadInputError(sentence) from None
    except ValueError:
        raise BadInputError("the form is cut off, or its parts are malformed") from None


def _ready(decoder: MultipartDecoder) -> Iterator[Event]:
    while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
        yield event
