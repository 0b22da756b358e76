"""From a request as ASGI has it to its response: the short way, and Flask in threads behind it."""
