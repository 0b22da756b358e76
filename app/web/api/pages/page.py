"""GET /: an interactive page, and the status as JSON for programs."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template, request
from PIL import Image

from app.web.http.environ import STARTED
from app.web.http.responses import json_response
from app.web.openapi.routes import ROUTES
from app.web.prediction.example import EXAMPLE_TIMEOUT_S, shown_example

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from app.ipc.status import HostStatus, ModelStatus
    from app.web.host_client.blocking import BlockingHost

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}
"""Of every page: nothing of it comes from elsewhere, nothing in it is inline or goes elsewhere."""

_MOST_NAMED = 5
_MODULES = [f"{name}.js" for name in ("answer", "drawing", "key", "models", "pad", "predicting")]
"""What page.js imports; named in the page, they are fetched all at once."""


def page_blueprint(channel: BlockingHost) -> Blueprint:
    """Build the route.

    Args:
        channel: Knows what the model host has announced.
    """
    blueprint = Blueprint("page", __name__, template_folder="templates")

    @blueprint.get("/")
    def index() -> Response:
        status = channel.status
        if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
            deadline = request.environ[STARTED] + EXAMPLE_TIMEOUT_S
            facts = _page(status, shown_example(channel, deadline))
            page = Response(render_template("index.html", **facts))
            page.headers.update(PAGE_HEADERS)
            return page
        models = [{"name": model.name, "version": model.default} for model in status.models]
        front = {"service": "glyph", "model": models[0], "models": models, "routes": ROUTES}
        response = json_response(front)
        response.headers["Vary"] = "Accept"
        return response

    return blueprint


def _page(status: HostStatus, example: NDArray[np.uint8] | None) -> dict[str, object]:
    serving = status.serving
    picture = _picture(example) if example is not None else None
    return {
        "status": status,
        "modules": _MODULES,
        "choices": [_choice(model) for model in status.models],
        "picture": picture,
        "grey": serving and serving.loaded and serving.loaded.input_shape[-1] == 1,
        "routes": ROUTES,
        "address": request.url_root.rstrip("/"),
    }


def _choice(model: ModelStatus) -> dict[str, object]:
    """Return the facts of a model that the page needs before the first answer."""
    loaded = model.serving.loaded if model.serving else None
    classes = loaded.classes if loaded else ()
    return {
        "name": model.name,
        "version": model.default,
        "classes": classes,
        "prompt": _prompt(classes),
    }


def _prompt(classes: Sequence[str]) -> str:
    """Return the invitation to draw, by the model's classes."""
    if tuple(classes) == tuple("0123456789"):
        return "Draw a digit"
    if classes and max(map(len, classes)) == 1:
        return "Draw a character"
    if 1 < len(classes) <= _MOST_NAMED:
        return f"Draw: {', '.join(classes[:-1])} or {classes[-1]}"
    return "Draw something"


def _picture(pixels: NDArray[np.uint8]) -> str:
    """Draw the example as a data URI, dark ink on white; colours as they are."""
    grey = pixels.shape[-1] == 1
    stream = io.BytesIO()
    Image.fromarray(255 - pixels[..., 0] if grey else pixels).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
