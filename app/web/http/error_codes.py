"""The stable names of errors: a program acts on them, and need not read the sentence beside."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class ErrorCode(StrEnum):
    """A name, what it means, and what the caller can do. A name once published stays."""

    meaning: str
    action: str

    def __new__(cls, name: str, meaning: str, action: str) -> Self:
        """Create a member whose value is its name alone."""
        code = str.__new__(cls, name)
        code._value_ = name
        code.meaning = meaning
        code.action = action
        return code

    REQUEST_UNREADABLE = (
        "request.unreadable",
        "The request is not valid HTTP.",
        "Correct the client; the connection is closed.",
    )
    REQUEST_LINE_TOO_LONG = (
        "request.line_too_long",
        "The request line is over the bound.",
        "Shorten the path and the query.",
    )
    REQUEST_HEADERS_TOO_LARGE = (
        "request.headers_too_large",
        "There are too many headers, or one is too long.",
        "Send fewer or shorter headers.",
    )
    REQUEST_UNSUPPORTED = (
        "request.unsupported",
        "The request expects a feature of HTTP that is not provided.",
        "Send no Expect other than 100-continue, and no Transfer-Encoding other than chunked.",
    )
    REQUEST_MALFORMED = (
        "request.malformed",
        "The request does not have the expected form.",
        "Correct what the sentence names.",
    )
    REQUEST_MALFORMED_JSON = (
        "request.malformed_json",
        "The body is not valid JSON.",
        "Correct the JSON at the position that the sentence names.",
    )
    REQUEST_PARAMETER = (
        "request.parameter",
        "A query parameter, a header or a form's field is unknown or has a wrong value.",
        "Correct the parameter that the sentence names.",
    )
    IMAGE_SIZE = (
        "image.size",
        "An image does not have the model's size or nesting.",
        "Send images of the size that GET /models shows.",
    )
    IMAGE_PIXEL_RANGE = (
        "image.pixel_range",
        "A pixel is not a whole number from 0 to 255.",
        "Scale and round the pixels; 0 is background, 255 is ink.",
    )
    IMAGE_UNREADABLE = (
        "image.unreadable",
        "The content of an image cannot be decoded.",
        "Send a whole, undamaged file, array or base64 text.",
    )
    IMAGE_TOO_LARGE = (
        "image.too_large",
        "A picture is over the bounds of the decoder.",
        "Scale the picture down.",
    )
    IMAGES_NONE = (
        "images.none",
        "The request has no image.",
        "Send at least one image.",
    )
    IMAGES_TOO_MANY = (
        "images.too_many",
        "The request has more images than are accepted.",
        "Split the request; the field `limit`, where there is one, is the bound.",
    )
    BODY_TOO_LARGE = (
        "body.too_large",
        "The body is over the bound, as sent or decompressed.",
        "Send less in one request; the field `limit`, where there is one, is the bound.",
    )
    BODY_INCOMPLETE = (
        "body.incomplete",
        "The body ended before its end, or could not be received.",
        "Send the whole body again.",
    )
    BODY_COMPRESSION = (
        "body.compression",
        "The body is not compressed as its Content-Encoding says.",
        "Correct the header or the compression.",
    )
    BODY_TIMEOUT = (
        "body.timeout",
        "The body did not arrive before the deadline.",
        "Send it faster, or allow more time with X-Request-Timeout-Ms.",
    )
    BODY_MEDIA_TYPE = (
        "body.media_type",
        "The kind of the body is not supported.",
        "Send one of the types that the sentence names.",
    )
    BODY_CONTENT_ENCODING = (
        "body.content_encoding",
        "The Content-Encoding is not supported.",
        "Use gzip or deflate, or none.",
    )
    ACCEPT_UNSUPPORTED = (
        "accept.unsupported",
        "The response cannot be written as Accept asks.",
        "Accept one of the types that the sentence names.",
    )
    AUTH_MISSING = (
        "auth.missing",
        "The request carries no API key or admin token.",
        "Send one in the header that the sentence names.",
    )
    AUTH_UNKNOWN_KEY = (
        "auth.unknown_key",
        "The API key is not known, or no longer.",
        "Use another key.",
    )
    AUTH_EXPIRED_KEY = (
        "auth.expired_key",
        "The API key has expired.",
        "Ask the operator for a new key.",
    )
    AUTH_WRONG_TOKEN = (
        "auth.wrong_token",
        "The admin token is wrong.",
        "Use the service's admin token.",
    )
    AUTH_FORBIDDEN = (
        "auth.forbidden",
        "This is not allowed with this key or token, or is turned off.",
        "Use what the sentence names, or ask the operator.",
    )
    AUTH_UNAVAILABLE = (
        "auth.unavailable",
        "The API keys cannot be read.",
        "Try again after Retry-After; the operator finds the reason in the log.",
    )
    RATE_LIMITED = (
        "rate.limited",
        "The caller is over its rate.",
        "Try again after Retry-After.",
    )
    QUEUE_FULL = (
        "queue.full",
        "Too much is waiting, or the deadline could not be met.",
        "Try again after Retry-After.",
    )
    DEADLINE_EXCEEDED = (
        "deadline.exceeded",
        "There was no response before the deadline.",
        "Try again, or allow more time with X-Request-Timeout-Ms. A change may have been made.",
    )
    MODEL_NOT_FOUND = (
        "model.not_found",
        "There is no model of this name.",
        "Choose one of GET /models.",
    )
    VERSION_NOT_FOUND = (
        "version.not_found",
        "The model has no such version, or it does not serve.",
        "Choose a version that serves, as GET /models shows.",
    )
    LABEL_NOT_FOUND = (
        "label.not_found",
        "The label is not on a version that serves.",
        "Choose one of the labels that the sentence names.",
    )
    MODEL_NOT_READY = (
        "model.not_ready",
        "No version serves now, or it is not known yet.",
        "Try again after Retry-After.",
    )
    MODEL_FAILED = (
        "model.failed",
        "The model failed on these images.",
        "Do not repeat the request unchanged; report it to the operator.",
    )
    HOST_LOST = (
        "host.lost",
        "The model host is away.",
        "Try again after Retry-After.",
    )
    SERVICE_DRAINING = (
        "service.draining",
        "The service is shutting down.",
        "Try again after Retry-After, over a new connection.",
    )
    STORE_UNAVAILABLE = (
        "store.unavailable",
        "The model store cannot be read or written.",
        "Try again after Retry-After.",
    )
    CONTROL_CONFLICT = (
        "control.conflict",
        "The state of the store does not allow the change.",
        "Read the state with GET /models, and decide anew.",
    )
    CONTROL_UNKNOWN_ACTION = (
        "control.unknown_action",
        "There is no admin action of this name.",
        "Use one of the actions that the sentence names.",
    )
    ROUTE_NOT_FOUND = (
        "route.not_found",
        "There is no such path.",
        "Use one of the paths that GET / lists.",
    )
    METHOD_NOT_ALLOWED = (
        "method.not_allowed",
        "The path does not take this method.",
        "Use one of the methods in Allow.",
    )
    INTERNAL = (
        "internal",
        "The service failed unexpectedly.",
        "Report the `request_id` to the operator, whose log has the reason.",
    )
