"""Handles GET: the states of versions, and the metadata of a signature."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flask import Response, request

from app.web.api.tensorflow_serving.errors import ServableNotFoundError
from app.web.api.tensorflow_serving.responses import describe_signature, describe_states
from app.web.host_client.model_index import not_ready, not_yet
from app.web.http.environ import STARTED
from app.web.http.errors import NotFoundError
from app.web.http.request_body import request_timeout_s

if TYPE_CHECKING:
    from app.ipc.status import ModelStatus
    from app.web.api.tensorflow_serving.paths import ParsedPath
    from app.web.prediction.predictor import Predictor


class ModelStatusView:
    """Handles the status and metadata of models and their versions.

    Headers add facts that the answers of this API omit: the version that answers, and readiness.
    """

    def __init__(self, predictor: Predictor, timeout_ms: int) -> None:
        self._predictor = predictor
        self._channel = predictor.channel
        self._timeout_ms = timeout_ms

    def status(self, parsed: ParsedPath) -> Response:
        """Return the states of a model's versions; 200 whatever they are.

        Raises:
            TfServingError: If there is no such model, version or label.
            NotReadyError: If that is not known yet.
        """
        model = self._find(parsed)
        number = parsed.version
        if parsed.label is not None:
            if model is None:
                raise parsed.unknown()
            number = _labelled(model, parsed)
        versions = model.versions if model is not None else ()
        if number is not None:
            versions = tuple(version for version in versions if version.version == number)
        if model is None or not versions:
            found = "any versions" if number is None else f"version {number}"
            raise ServableNotFoundError(f"Could not find {found} of model {parsed.model}")
        version = number if number is not None else model.default
        ready = model.ready and any(v.version == version and v.state == "serving" for v in versions)
        headers = {"Glyph-Ready": str(ready).lower()}
        return _response(describe_states(versions), parsed.model, version, headers)

    def metadata(self, parsed: ParsedPath) -> Response:
        """Return the signature of a version.

        Raises:
            TfServingError: If there is no such model, version or label.
            NotReadyError: If nothing of the model serves, or the version is still being loaded.
        """
        environ = request.environ
        deadline = environ[STARTED] + request_timeout_s(environ, self._timeout_ms)
        try:
            loaded = self._predictor.serving(parsed.model_ref, deadline)
        except NotFoundError:
            raise parsed.unknown() from None
        model = self._channel.model(parsed.model)
        number = parsed.version or model.default or 0
        if parsed.label is not None:
            number = model.labels[parsed.label]
        return _response(describe_signature(parsed.model, number, loaded), parsed.model, number)

    def _find(self, parsed: ParsedPath) -> ModelStatus | None:
        """Find a model of which versions are known.

        Raises:
            NotReadyError: If they are not known yet.
        """
        status = self._channel.status
        found = next((model for model in status.models if model.name == parsed.model), None)
        if found is None and not status.settled:
            raise not_ready(status.default)
        if found is not None and parsed.version is not None:
            known = any(version.version == parsed.version for version in found.versions)
            if not (known or found.complete):
                raise not_yet(f"version {parsed.version} of {found.name}")
        if found is not None and found.starting and not found.versions:
            raise not_ready(found)
        return found


def _labelled(model: ModelStatus, parsed: ParsedPath) -> int:
    """Find the version that the label asked for points at."""
    label = parsed.label or ""
    if label in model.labels:
        return model.labels[label]
    if not model.complete:
        raise not_yet(f"label {label[:80]!r} of {model.name}")
    raise parsed.unknown()


def _response(
    document: dict[str, Any], model: str, version: int | None, headers: dict[str, str] | None = None
) -> Response:
    body = json.dumps(document, indent=1) + "\n"
    response = Response(body, mimetype="application/json", headers=headers)
    response.headers["Glyph-Model"] = model
    if version is not None:
        response.headers["Glyph-Version"] = str(version)
    return response
