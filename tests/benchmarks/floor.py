"""The floor: what the same workers and the same parsing cost when there is no model to ask.

It reads the same bodies into the same pixels and answers at once with as many bytes. What Glyph
adds to this is the channel to the model host, the host, and what happens around every request.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from app.server.front.asgi_types import RECEIVED
from app.server.worker import WebWorker
from app.web.inputs.json_instances import decode_instances
from app.web.inputs.raw import decode_raw_pixels

if TYPE_CHECKING:
    from app.server.front.asgi_types import Receive, Scope, Send

SHAPE = (28, 28, 1)
PREDICTION = (
    b'{"label":"7","class":7,"probability":0.9999913,"probabilities":['
    b"7.476595e-10,0.000001464854,1.6370779e-8,2.1375021e-7,0.0000040013683,2.1349445e-8,"
    b"2.8559802e-10,0.9999913,7.709573e-10,0.0000029067717]}"
)
_MAX_IMAGES = 1024
_JSON = (b"content-type", b"application/json")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Parse, and answer."""
    body = await body_of(scope, receive)
    decode = decode_instances if _JSON in scope["headers"] else decode_raw_pixels
    answer = answer_of(decode(body, SHAPE, _MAX_IMAGES).rows)
    headers = [_JSON, (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def body_of(scope: Scope, receive: Receive) -> bytes:
    """Return a body: Glyph's connections have it with the head, where it came with it."""
    if RECEIVED in scope and scope[RECEIVED].body is not None:
        return scope[RECEIVED].body
    pieces = []
    while True:
        message = await receive()
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


@cache
def answer_of(count: int) -> bytes:
    """Return the answer to so many images."""
    predictions = b",".join([PREDICTION] * count)
    return b'{"predictions":[' + predictions + b'],"model":{"name":"mnist","version":1}}\n'


class FloorWorker(WebWorker):
    """Glyph's worker, with the floor in place of its parts."""

    def load_wsgi(self) -> None:
        """Take the floor."""
        self._parts = _NoParts()
        self.asgi = app


class _NoParts:
    """Nothing runs beside the floor."""

    def start(self) -> None:
        """Start nothing."""

    async def stop(self) -> None:
        """End nothing."""
