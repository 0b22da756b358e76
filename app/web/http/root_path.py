"""Where the service's root is, as pages name it."""

from __future__ import annotations

from flask import request


def home() -> str:
    """Return what stands before an address below the root.

    Behind a proxy that says under which path it shows the service, that path; else nothing: pages
    lie at the root, so that addresses relative to them are right whatever a proxy has cut off.
    """
    return f"{request.script_root}/" if request.script_root else ""
