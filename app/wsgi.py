"""The Flask application by itself, for any WSGI server; `glyph serve` puts a front before it.

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


async def _stop() -> None:
    _parts.stop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait(others, timeout=_END_S)  # they are cancelled, and end in turns of their own
    _loop.stop()


@atexit.register
def _end() -> None:
    """Stop where the parts run, before the interpreter ends that thread wherever it is."""
    asyncio.run_coroutine_threadsafe(_stop(), _loop)
    _thread.join(_END_S)
