"""GET /openapi.json and GET /docs: the API description, for programs and for people."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from flask import Blueprint, Response, render_template, request

from app.web.description.document import HERE, describe
from app.web.http.environ import STARTED
from app.web.openapi.live_values import Bounds, Facts
from app.web.prediction.example import EXAMPLE_TIMEOUT_S, shown_example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.ipc.status import HostStatus
    from app.web.host_client.blocking import BlockingHost

_SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
_SERVER = b'"servers":[{"url":"%b"}]'
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def swagger_files() -> dict[str, Path]:
    """Return the files of Swagger UI that /docs needs: name below /static -> file."""
    directory = Path(str(distribution("flask-swagger-ui").locate_file("flask_swagger_ui/dist")))
    return {f"swagger-ui/{name}": directory / name for name in _SWAGGER}


class Description:
    """The document as bytes, written again only when it has changed."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._facts: Facts | None = None
        self._written = b""

    def written(self, status: HostStatus, example: NDArray[np.uint8] | None) -> bytes:
        """Return the document for this status."""
        facts = Facts.of(self._bounds, status, example)
        if facts != self._facts:
            self._written = orjson.dumps(describe(facts), option=orjson.OPT_APPEND_NEWLINE)
            self._facts = facts
        return self._written


def description_blueprint(channel: BlockingHost, bounds: Bounds) -> Blueprint:
    """Build the routes.

    Args:
        channel: Knows what serves.
        bounds: What the operator has set.
    """
    blueprint = Blueprint("openapi", __name__)
    description = Description(bounds)

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        example = shown_example(channel, request.environ[STARTED] + EXAMPLE_TIMEOUT_S)
        written = description.written(channel.status, example)
        if request.script_root:  # which a proxy has told
            root = request.script_root.encode()
            written = written.replace(_SERVER % HERE.encode(), _SERVER % root, 1)
        response = Response(written, mimetype="application/json")
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        response.make_conditional(request)
        return response

    @blueprint.get("/docs")
    def docs() -> Response:
        page = Response(render_template("docs.html"))
        page.headers["Content-Security-Policy"] = DOCS_POLICY
        return page

    return blueprint
