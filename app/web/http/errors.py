"""What callers are told when they get no prediction; every one is `{"error": "<sentence>"}`.

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

UNEXPECTED = "something unexpected went wrong; the log has it under this request id"
"""What a caller is told of a failure of the service."""


class ServiceError(Exception):
    """Base of every refusal; the sentence is shown to the caller, the details go beside it."""

    status: ClassVar[int]

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, **details: object
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.details = details

    def body(self) -> bytes:
        """Return the error document: the message, and the details beside it."""
        return orjson.dumps({"error": str(self), **self.details}, option=orjson.OPT_APPEND_NEWLINE)

    def headers(self) -> list[tuple[str, str]]:
        """Return the response's headers; Retry-After, in whole seconds, if a retry may help."""
        headers = [("Content-Type", "application/json")]
        if self.retry_after_s is not None:
            headers.append(("Retry-After", str(max(1, math.ceil(self.retry_after_s)))))
        return headers


class BadInputError(ServiceError):
    """Raised when a request cannot be understood."""

    status = 400


class UnauthenticatedError(ServiceError):
    """Raised when a request does not say, or not rightly, who asks."""

    status = 401

    def headers(self) -> list[tuple[str, str]]:
        """Add the scheme that is expected."""
        return [*super().headers(), ("WWW-Authenticate", 'Bearer realm="glyph"')]


class ForbiddenError(ServiceError):
    """Raised when the caller lacks permission."""

    status = 403


class NotAcceptableError(ServiceError):
    """Raised when an answer cannot be written as the caller wants it."""

    status = 406


class ConflictError(ServiceError):
    """Raised when a change is refused for what the store holds."""

    status = 409


class SlowBodyError(ServiceError):
    """Raised when a body is not there in time."""

    status = 408


class TooLargeError(ServiceError):
    """Raised when a request is over a bound."""

    status = 413


class UnsupportedMediaTypeError(ServiceError):
    """Raised when a body is of a kind that is not read."""

    status = 415


class UnsupportedCodingError(UnsupportedMediaTypeError):
    """Raised when a body is compressed in a way that is not known."""

    def __init__(self, found: str) -> None:
        super().__init__(f"{found}; gzip or deflate is expected")

    def headers(self) -> list[tuple[str, str]]:
        """Name what is known in a header too, as HTTP wants it."""
        return [*super().headers(), ("Accept-Encoding", "gzip, deflate")]


class OverloadedError(ServiceError):
    """Raised when a request is refused at the door."""

    status = 429


class RateLimitedError(ServiceError):
    """Raised when a caller asks more often than is allowed."""

    status = 429


class ModelFailedError(ServiceError):
    """Raised when the model could not answer."""

    status = 500


class NotFoundError(ServiceError):
    """Raised when there is no such model or version."""

    status = 404


class NotReadyError(ServiceError):
    """Raised when no version serves."""

    status = 503


class StoreAwayError(ServiceError):
    """Raised when a change cannot be made because the store does not answer."""

    status = 503


class HostLostError(ServiceError):
    """Raised when the model host went away, again, before it answered."""

    status = 503


class DeadlineError(ServiceError):
    """Raised when the answer did not come in time."""

    status = 504
