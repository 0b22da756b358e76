"""GET /static/<name>: the files of the pages, all listed at the start.

Browsers and crawlers ask for /favicon.ico and /robots.txt by themselves; both are such files.

A page names its files below the digest of them all (`/static/<digest>/page.js`), so that browsers
need never ask again, and modules that import each other by relative names stay of one edition.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KINDS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}
"""Said by the project, since what Python's mimetypes says depends on the machine."""
_FOREVER = "public, max-age=31536000, immutable"


class StaticFiles:
    """The files of a directory and below, and their digests; other kinds are left out."""

    def __init__(self, directory: Path, others: Mapping[str, Path] | None = None) -> None:
        """List them.

        Args:
            directory: Holds the project's own.
            others: Files of libraries, by the names that they are to have here.
        """
        own = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*")}
        every = sorted({**own, **(others or {})}.items())
        self._paths = {name: path for name, path in every if path.suffix in _KINDS}
        self._digests = {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in self._paths.items()
        }
        listing = repr(self._digests).encode()
        self._edition = hashlib.sha256(listing).hexdigest()[:16]

    def url(self, name: str) -> str:
        """Return the immutable path of a file, relative to the service's root.

        Raises:
            KeyError: If there is no such file.
        """
        self._digests[name]
        return f"static/{self._edition}/{name}"

    def response(self, path: str) -> Response:
        """Answer with a file, or a 304 if the caller has it.

        Args:
            path: Its name, or its name below a digest. Below one that is not today's it may be
                another file than the caller's page was made for, and is not kept.

        Raises:
            NotFoundError: If there is no such file.
        """
        above, _, below = path.partition("/")
        name = path if path in self._digests else below
        if name not in self._digests:
            raise NotFoundError(f"there is no /static/{path}", code=ErrorCode.ROUTE_NOT_FOUND)
        content = self._paths[name].read_bytes()
        response = Response(content, mimetype=_KINDS[name[name.rindex(".") :]])
        response.set_etag(self._digests[name])
        forever = above == self._edition
        response.headers["Cache-Control"] = _FOREVER if forever else "no-cache"
        response.make_conditional(request)
        return response


def static_blueprint(files: StaticFiles) -> Blueprint:
    """Build the routes."""
    blueprint = Blueprint("static_files", __name__)

    @blueprint.get("/static/<path:path>")
    def static_file(path: str) -> Response:
        return files.response(path)

    @blueprint.get("/favicon.ico")
    def favicon() -> Response:
        return files.response("icon.svg")

    @blueprint.get("/robots.txt")
    def robots() -> Response:
        return files.response("robots.txt")

    return blueprint
