"""The Flask application by itself, for any WSGI server; `glyph-serve` puts a front before it.

It asks the model host through an event loop in a thread of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import threading

from app.server.assembly import WebParts

_END_S = 1.0
"""To write the last counts, which takes milliseconds."""

_loop = asyncio.new_event_loop()
_parts = WebParts(_loop)
_loop.call_soon(_parts.start)
_thread = threading.Thread(target=_loop.run_forever, name="model-host", daemon=True)
_thread.start()

app = _parts.flask


def _stop() -> None:
    _parts.stop()
    _loop.stop()


@atexit.register
def _end() -> None:
    """Stop where the parts run, before the interpreter ends that thread wherever it is."""
    _loop.call_soon_threadsafe(_stop)
    _thread.join(_END_S)
