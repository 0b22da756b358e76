"""What a caller may set: about the service once, about images each time."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "http://127.0.0.1:8000"
TIMEOUT_S = 5.0
MAX_TIMEOUT_S = 600.0
RETRIES = 3
BATCH_SIZE = 256
"""As cheap per image as more, and few enough for a busy service to answer in time."""
CONCURRENCY = 4

_MAX_PORT = 65535
_API_KEY = re.compile("[!-~]+")

Prepare = Literal["auto", "always", "never", "digit", "fit", "exact"]


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """Options of a client: where the service is, and how patient the caller is."""

    url: str
    api_key: str | None = field(repr=False)
    model: str | None
    timeout_s: float
    retries: int
    batch_size: int
    clock: Callable[[], float]
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        """Check every option.

        Raises:
            ValueError: If one is out of its range.
        """
        if not _is_url(self.url):
            raise ValueError(f"url is {self.url!r}; one such as {URL} is expected")
        if self.api_key is not None and not _API_KEY.fullmatch(self.api_key):
            raise ValueError("api_key is empty, or holds more than visible ASCII characters")
        if not 0 < self.timeout_s <= MAX_TIMEOUT_S:
            raise ValueError(f"timeout is {self.timeout_s}; up to {MAX_TIMEOUT_S:g} s are expected")
        if self.retries < 0:
            raise ValueError(f"retries is {self.retries}; 0 or more are expected")
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}; at least 1 is expected")


class PredictKeywords(TypedDict, total=False):
    """Keyword arguments of `predict`, for its overloads."""

    version: int | None
    label: str | None
    top_k: int | None
    prepare: Prepare


@dataclass(frozen=True)
class PredictOptions:
    """Options of one call of `predict`."""

    version: int | None = None
    label: str | None = None
    top_k: int | None = None
    prepare: Prepare = "auto"

    def __post_init__(self) -> None:
        """Check that they fit together.

        Raises:
            ValueError: If no service could answer them.
        """
        if self.version is not None and self.label is not None:
            raise ValueError("a version and a label are both given; give one of them")
        if self.prepare not in get_args(Prepare):
            raise ValueError(f"prepare is {self.prepare!r}; one of {get_args(Prepare)} is expected")

    @property
    def query(self) -> dict[str, str]:
        """Return the query parameters: only those that differ from the service's defaults."""
        top_k = {} if self.top_k is None else {"top_k": str(self.top_k)}
        return top_k if self.prepare == "auto" else top_k | {"prepare": self.prepare}


def _is_url(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host) and (url.port or 0) <= _MAX_PORT
