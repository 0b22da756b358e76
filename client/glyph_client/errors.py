"""What a caller of the client may catch.

GlyphError
├── ImageError        what was handed in is no image; nothing was sent
├── RefusedError      4xx: the service says what is wrong with the request
│   ├── AccessError   401, 403: no key, or not the right one
│   └── NotFoundError 404: there is no such model, version or label
├── UnavailableError  429, 503: it cannot now; `retry_after_s` says when it may
├── UnreachableError  there is no connection, or it broke
├── DeadlineError     408, 504, or no answer in time
└── FailedError       5xx, or an answer that is none of Glyph's
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class GlyphError(Exception):
    """Base of all that the client raises; the sentence is the service's where it gave one."""

    def __init__(
        self,
        sentence: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Make one.

        Args:
            sentence: What is wrong, and what is expected.
            status: Of the HTTP answer; None where there was none.
            request_id: Under which the service's log has the request.
            retry_after_s: When the service says that another try may help.
            details: What stood beside the sentence, such as `limit`.
        """
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.details = dict(details or {})


class ImageError(GlyphError, ValueError):
    """Raised when what was handed in is no image that can be sent."""


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
    """Raised when there was no answer in time."""


class FailedError(GlyphError):
    """Raised when the service failed, or what answered is not Glyph."""
