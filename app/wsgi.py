"""The Flask application by itself, for any WSGI server; `glyph-serve` puts a front before it.

It asks the model host through an event loop in a thread of its own.
"""

from __future__ import annotations

import asyncio
import threading

from app.assembly import WebParts

_loop = asyncio.new_event_loop()
_parts = WebParts(_loop)
_loop.call_soon(_parts.start)
threading.Thread(target=_loop.run_forever, name="model-host", daemon=True).start()

app = _parts.flask
