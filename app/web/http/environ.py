"""The keys that this service adds to a request's WSGI environment."""

from __future__ import annotations

STARTED = "glyph.started"
"""The clock's reading when the request came."""
REQUEST_ID = "glyph.request_id"
"""The caller's id for the request, or one that was made."""
ROUTE = "glyph.route"
"""The rule that the request's path matched; missing where none did."""
DRAINING = "glyph.draining"
"""Set while the worker shuts down."""
CALLER = "glyph.caller"
"""The name of the API key that let the request in; missing without one."""
HELD_BYTES = "glyph.held_bytes"
"""How much memory the request's body holds of what all bodies may; missing for none."""
AT_WORK = "glyph.at_work"
"""Set while a thread works on the request's body."""
