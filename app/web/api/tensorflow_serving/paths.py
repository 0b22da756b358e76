"""Parses the paths of TensorFlow Serving's REST API, however they are percent-encoded."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from app.web.api.tensorflow_serving.errors import (
    InvalidArgumentError,
    ServableNotFoundError,
    TfServingError,
)
from app.web.prediction.predictor import ModelRef

if TYPE_CHECKING:
    Environ = dict[str, Any]

_MODEL = r"/v1/models/([^/:]+)"
_WHICH = r"(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_FLAGS = re.ASCII | re.IGNORECASE
_FORMS = {
    "POST": re.compile(rf"{_MODEL}{_WHICH}(?::|%3A)(classify|regress|predict)", _FLAGS),
    "GET": re.compile(rf"/v1/models(?:/([^/:]+))?{_WHICH}(?:/(metadata))?", _FLAGS),
}
_KEPT = re.compile("(%2F|%3A|%25)", re.IGNORECASE)
"""A slash or a colon that is encoded may be part of a name, and nothing is decoded twice."""
_LARGEST_VERSION = 2**63 - 1
_FEW_DIGITS = 19
"""Of the largest version; int() raises on thousands of them."""


class ParsedPath(NamedTuple):
    """A parsed path; at most one of version and label is set."""

    action: str
    """`predict`, `classify`, `regress`, `metadata` or `status`."""
    model: str
    version: int | None
    label: str | None

    @property
    def model_ref(self) -> ModelRef:
        """The model, version or label that the path names.

        Raises:
            TfServingError: If there cannot be such a version.
        """
        if self.version == 0:  # to the predictor this is the default version
            raise self.unknown()
        return ModelRef(self.model, self.version or 0, self.label)

    def unknown(self) -> TfServingError:
        """Return the error of a path for which nothing serves."""
        if self.label is not None:
            return InvalidArgumentError(f"Unrecognized servable version label: {self.label}")
        if self.version is None:
            found = f"Latest({self.model})"
        else:
            found = f"Specific({self.model}, {self.version})"
        return ServableNotFoundError(f"Servable not found for request: {found}")


def parse_request_path(environ: Environ) -> ParsedPath:
    """Parse the path of a request.

    Raises:
        InvalidArgumentError: If it is none of this API's.
    """
    raw = environ.get("RAW_URI", "")
    # Names are decoded one by one: a slash in one is none of the path's.
    encoded = "%" in raw and raw.startswith("/")
    path = raw.partition("?")[0] if encoded else environ["PATH_INFO"]
    return parse(environ["REQUEST_METHOD"], path)


@lru_cache(maxsize=256)
def parse(method: str, path: str) -> ParsedPath:
    """Parse a path.

    Args:
        method: HTTP's.
        path: As it was sent; each character is a byte, as in WSGI.

    Raises:
        InvalidArgumentError: If it is none of this API's.
    """
    path = path.encode("latin-1", "replace").decode(errors="replace")
    form = _FORMS.get(method)
    decoded = "".join(p if _KEPT.fullmatch(p) else unquote(p) for p in _KEPT.split(path))
    parts = form.fullmatch(decoded) if form is not None else None
    if parts is None:
        raise _malformed(method, path)
    name, version, label, action = parts.groups()
    # There, the case of a verb counts, although a path matches in any.
    if method == "POST" and action != action.lower():
        raise _malformed(method, path)
    if method == "GET" and action != "metadata":
        action = "status"
    number = _number(version) if version is not None else None
    if not name:
        raise InvalidArgumentError("Missing model name in request.")
    return ParsedPath(action, unquote(name), number, unquote(label) if label is not None else None)


def _number(text: str) -> int:
    digits = text.lstrip("0") or "0"
    if len(digits) > _FEW_DIGITS or int(digits) > _LARGEST_VERSION:
        raise InvalidArgumentError(f"Failed to convert version: {text} to numeric.")
    return int(digits)


def _malformed(method: str, path: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"Malformed request: {method} {path}")
