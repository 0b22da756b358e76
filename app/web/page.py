"""GET /: a page for people, and the same facts as JSON for programs."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template, request
from PIL import Image

from app.web.errors import json_response
from app.web.operations import ROUTES, example_pixels

if TYPE_CHECKING:
    from app.status import HostStatus, LoadedModel
    from app.web.channel import HostChannel

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


def page_blueprint(channel: HostChannel) -> Blueprint:
    """Build the route.

    Args:
        channel: Knows what the model host has announced.
    """
    blueprint = Blueprint("page", __name__, template_folder="templates")

    @blueprint.get("/")
    def index() -> Response:
        status = channel.status
        if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
            page = Response(render_template("index.html", **_page(status)))
            page.headers.update(PAGE_HEADERS)
            return page
        models = [{"name": model.name, "version": model.default} for model in status.models]
        front = {"service": "glyph", "model": models[0], "models": models, "routes": ROUTES}
        response = json_response(front)
        response.headers["Vary"] = "Accept"
        return response

    return blueprint


def _page(status: HostStatus) -> dict[str, object]:
    serving = status.serving
    picture = _picture(serving.loaded) if serving and serving.loaded else None
    return {
        "status": status,
        "serving": serving,
        "picture": picture,
        "routes": ROUTES,
        "address": request.host_url.rstrip("/"),
    }


def _picture(model: LoadedModel) -> str:
    """Draw the example as a data URI."""
    stream = io.BytesIO()
    Image.fromarray(255 - example_pixels(model)[..., 0]).save(stream, "PNG")  # dark ink on white
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
