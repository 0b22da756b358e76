"""Exceptions of the client.

GlyphError
├── ImageError        the argument is not an image; nothing was sent
├── RefusedError      4xx: the request is wrong
│   ├── AccessError   401, 403: no key, or a wrong one
│   └── NotFoundError 404: there is no such model, version or label
├── UnavailableError  429, 503: not now; `retry_after_s` is when to try again
├── UnreachableError  there is no connection, or it broke
├── DeadlineError     408, 504, or no response in time
└── FailedError       5xx, or a response that Glyph does not send
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class GlyphError(Exception):
    """Base of the client's errors; the sentence is the service's where it sent one."""

    def __init__(
        self,
        sentence: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Create an error.

        Args:
            sentence: What is wrong, and what is expected.
            status: HTTP status; None if there was no response.
            code: The service's stable name for what is wrong, such as `image.size`.
            request_id: Id of the request in the service's log.
            retry_after_s: Seconds after which the service suggests another try.
            details: Further fields of the response, such as `limit`.
        """
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.details = dict(details or {})


class ImageError(GlyphError, ValueError):
    """Raised when an argument is not an image that can be sent."""


class RefusedError(GlyphError):
    """Raised when the service refuses a request, and would again."""


class AccessError(RefusedError):
    """Raised when a request needs a key, or another one."""


class NotFoundError(RefusedError):
    """Raised when there is no such model, version or label."""


class UnavailableError(GlyphError):
    """Raised when the service cannot answer now."""


class UnreachableError(GlyphError, ConnectionError):
    """Raised when there is no connection to the service, or it broke."""


class DeadlineError(GlyphError, TimeoutError):
    """Raised when there was no response in time."""


class FailedError(GlyphError):
    """Raised when the service failed, or the server is not Glyph."""
