"""What callers are told when they get no prediction.

Every one is `{"error": "<sentence>", "code": "<name>"}`; `app.web.http.error_codes` has the names.

ServiceError
├── BadInputError              400  the request is malformed; the sentence says where
├── UnauthenticatedError       401  a token or key is missing, or the key is not known
├── ForbiddenError             403  the admin token is wrong, turned off, or not for this
├── NotFoundError              404  there is no such model, version, label or action
├── NotAcceptableError         406  the answer is wanted in no form that there is
├── ConflictError              409  the store's state forbids the change that was asked for
├── TooLargeError              413  the body or the number of images is over its bound
├── UnsupportedMediaTypeError  415  the body is of a kind that is not read
├── SlowBodyError              408  the body did not arrive before the deadline
├── OverloadedError            429  the queue is full, or the deadline could not be met
├── RateLimitedError           429  the caller asked more often than is allowed
├── ModelFailedError           500  the model raised on these images
├── NotReadyError              503  no version serves
├── StoreAwayError             503  a change was asked for while the store cannot be reached
├── HostLostError              503  the model host died twice on this request
└── DeadlineError              504  no answer before the deadline
"""

from __future__ import annotations

import math
from typing import ClassVar

import orjson

from app.web.http.error_codes import ErrorCode

UNEXPECTED = "something unexpected went wrong; the log has it under this request id"
"""What a caller is told of a failure of the service."""


class ServiceError(Exception):
    """Base of every refusal; the sentence is shown to the caller, the details go beside it."""

    status: ClassVar[int]
    default_code: ClassVar[ErrorCode]
    """Where the place that raises names none."""

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        retry_after_s: float | None = None,
        **details: object,
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.retry_after_s = retry_after_s
        self.details = details

    def body(self) -> bytes:
        """Return the error document: the message, its code, and the details beside them."""
        return error_document(str(self), self.code, **self.details)

    def headers(self) -> list[tuple[str, str]]:
        """Return the response's headers; Retry-After, in whole seconds, if a retry may help."""
        headers = [("Content-Type", "application/json")]
        if self.retry_after_s is not None:
            headers.append(("Retry-After", str(max(1, math.ceil(self.retry_after_s)))))
        return headers


class BadInputError(ServiceError):
    """Raised when a request cannot be understood."""

    status = 400
    default_code = ErrorCode.REQUEST_MALFORMED


class UnauthenticatedError(ServiceError):
    """Raised when a request does not say, or not rightly, who asks."""

    status = 401
    default_code = ErrorCode.AUTH_MISSING

    def headers(self) -> list[tuple[str, str]]:
        """Add the scheme that is expected."""
        return [*super().headers(), ("WWW-Authenticate", 'Bearer realm="glyph"')]


class ForbiddenError(ServiceError):
    """Raised when the caller lacks permission."""

    status = 403
    default_code = ErrorCode.AUTH_FORBIDDEN


class NotAcceptableError(ServiceError):
    """Raised when an answer cannot be written as the caller wants it."""

    status = 406
    default_code = ErrorCode.ACCEPT_UNSUPPORTED


class ConflictError(ServiceError):
    """Raised when a change is refused for what the store holds."""

    status = 409
    default_code = ErrorCode.CONTROL_CONFLICT


class SlowBodyError(ServiceError):
    """Raised when a body is not there in time."""

    status = 408
    default_code = ErrorCode.BODY_TIMEOUT


class TooLargeError(ServiceError):
    """Raised when a request is over a bound."""

    status = 413
    default_code = ErrorCode.BODY_TOO_LARGE


class UnsupportedMediaTypeError(ServiceError):
    """Raised when a body is of a kind that is not read."""

    status = 415
    default_code = ErrorCode.BODY_MEDIA_TYPE


class UnsupportedCodingError(UnsupportedMediaTypeError):
    """Raised when a body is compressed in a way that is not known."""

    default_code = ErrorCode.BODY_CONTENT_ENCODING

    def __init__(self, found: str) -> None:
        super().__init__(f"{found}; gzip or deflate is expected")

    def headers(self) -> list[tuple[str, str]]:
        """Name what is known in a header too, as HTTP wants it."""
        return [*super().headers(), ("Accept-Encoding", "gzip, deflate")]


class OverloadedError(ServiceError):
    """Raised when a request is refused at the door."""

    status = 429
    default_code = ErrorCode.QUEUE_FULL


class RateLimitedError(ServiceError):
    """Raised when a caller asks more often than is allowed."""

    status = 429
    default_code = ErrorCode.RATE_LIMITED


class ModelFailedError(ServiceError):
    """Raised when the model could not answer."""

    status = 500
    default_code = ErrorCode.MODEL_FAILED


class NotFoundError(ServiceError):
    """Raised when there is no such model or version."""

    status = 404
    default_code = ErrorCode.MODEL_NOT_FOUND


class NotReadyError(ServiceError):
    """Raised when no version serves."""

    status = 503
    default_code = ErrorCode.MODEL_NOT_READY


class StoreAwayError(ServiceError):
    """Raised when a change cannot be made because the store does not answer."""

    status = 503
    default_code = ErrorCode.STORE_UNAVAILABLE


class HostLostError(ServiceError):
    """Raised when the model host went away, again, before it answered."""

    status = 503
    default_code = ErrorCode.HOST_LOST


class DeadlineError(ServiceError):
    """Raised when the answer did not come in time."""

    status = 504
    default_code = ErrorCode.DEADLINE_EXCEEDED


def error_document(message: str, code: ErrorCode, **details: object) -> bytes:
    """Return the JSON of an error."""
    document = {"error": message, "code": code, **details}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
