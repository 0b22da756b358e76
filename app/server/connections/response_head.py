"""Writes the head of a response as bytes."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from gunicorn.asgi.protocol import _get_cached_date_header, _get_cached_status_line

if TYPE_CHECKING:
    from app.server.front.asgi_types import Message

_CONTROL = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")

for _status in HTTPStatus:  # gunicorn calls those that it does not know "Unknown"
    for _version in ((1, 0), (1, 1)):
        _get_cached_status_line(_version, _status.value, _status.phrase)


def response_head(version: tuple[int, int], start: Message, *, keeps: bool) -> bytes:
    """Return status line and headers, up to the empty line that ends them.

    Args:
        version: HTTP version of the request.
        start: The message that starts the response.
        keeps: The connection is kept for another request.

    Raises:
        ValueError: If a header would end its line, or has a control character.
    """
    lines = [_get_cached_status_line(version, start["status"]), _get_cached_date_header()]
    lines += [b"%b: %b\r\n" % header for header in start["headers"]]
    lines.append(b"Connection: keep-alive\r\n\r\n" if keeps else b"Connection: close\r\n\r\n")
    joined = b"".join(lines)
    if joined.count(b"\n") > len(lines) + 1 or _CONTROL.search(joined):
        raise ValueError("a header of the answer has a line break, or a control character")
    return joined
