"""The refusals that every front may give, by status: each is an `Error`."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]


class ErrorResponse(NamedTuple):
    """A status, and when it is given."""

    name: str
    when: str
    headers: tuple[str, ...] = ()

    @property
    def reference(self) -> Json:
        """Refer to it."""
        return {"$ref": f"#/components/responses/{self.name}"}

    def render(self) -> Json:
        """Write it as a Response Object."""
        error = {"schema": {"$ref": "#/components/schemas/Error"}}
        written: Json = {"description": self.when, "content": {"application/json": error}}
        return written | ({"headers": headers(*self.headers)} if self.headers else {})


def headers(*names: str) -> Json:
    """Refer to headers of a response."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


ERRORS = {
    400: ErrorResponse("BadInput", "The request is malformed; the sentence says where."),
    401: ErrorResponse(
        "Unauthenticated", "The caller has not said who asks.", ("WWW-Authenticate",)
    ),
    403: ErrorResponse(
        "Forbidden", "This is not for the caller, or nothing may be changed over HTTP."
    ),
    404: ErrorResponse("NotFound", "There is no such model, version, label or action."),
    406: ErrorResponse("NotAcceptable", "The answer is wanted in no form that there is."),
    408: ErrorResponse("SlowBody", "The body did not arrive before the deadline."),
    409: ErrorResponse(
        "Conflict", "What the store holds forbids this change; the sentence says why."
    ),
    413: ErrorResponse("TooLarge", "The body is larger, or the images are more, than is taken."),
    415: ErrorResponse(
        "UnsupportedMediaType", "The body is of a kind that is not read here.", ("Accept-Encoding",)
    ),
    429: ErrorResponse(
        "Overloaded", "Too much is waiting, or the caller is over a limit.", ("Retry-After",)
    ),
    500: ErrorResponse(
        "Failed", "The model failed on these images, or something unexpected happened."
    ),
    503: ErrorResponse(
        "NotReady", "Nothing here can answer now; the sentence says why.", ("Retry-After",)
    ),
    504: ErrorResponse("Deadline", "There was no answer before the deadline."),
}

HEADERS: dict[str, Json] = {
    "Glyph-Model": {
        "description": "The model that is meant.",
        "schema": {"type": "string"},
    },
    "Glyph-Version": {
        "description": "The version that answers.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Glyph-Ready": {
        "description": "Whether it answers now.",
        "schema": {"type": "boolean"},
    },
    "Accept-Encoding": {
        "description": "The codings that are read, where the body's is not one of them.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Whole seconds after which another try may help.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "The scheme that is expected.",
        "schema": {"type": "string"},
    },
    "Server-Timing": {
        "description": "Milliseconds in the queue, and in the model for the whole batch.",
        "schema": {"type": "string"},
    },
}
