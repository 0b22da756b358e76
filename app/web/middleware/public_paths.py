"""Requests that need no API key. Every other one does, so that a new route is closed."""

from __future__ import annotations

import re

from model_store.operations.commands import COMMANDS

_FREE = frozenset(("/", "/docs", "/openapi.json", "/example", "/healthz", "/readyz", "/metrics"))
_ASKED_BY_BROWSERS = frozenset(
    ("/favicon.ico", "/robots.txt", "/apple-touch-icon.png", "/apple-touch-icon-precomposed.png")
)
"""And by crawlers, of themselves: they would take a 401 for a page that is locked."""
_FREE_BELOW = ("/static/", "/docs/", "/v2/health/", "/.well-known/", "/apple-touch-icon-")
_CHANGES = re.compile(
    rf"/models/[^/]+/({'|'.join(COMMANDS)})|/v2/repository/models/[^/]+/(load|unload)"
)
_READING = frozenset(("GET", "HEAD"))


def is_free(path: str) -> bool:
    """Return whether a path is public: pages, descriptions, health and metrics."""
    return path in _FREE or path in _ASKED_BY_BROWSERS or path.startswith(_FREE_BELOW)


def is_change(method: str, path: str) -> bool:
    """Return whether a request changes something; the route itself checks the admin token."""
    return method == "POST" and _CHANGES.fullmatch(path) is not None


def is_read_only(method: str, path: str) -> bool:
    """Return whether a request only reads, and gets no prediction."""
    return method in _READING or (method == "POST" and path == "/v2/repository/index")
