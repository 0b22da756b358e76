"""Has one request answered: sends it, and again while that may help and there is time.

Nothing is sent here. A conversation is a generator that yields what is to be done: a request to
send, answered by its outcome, or a pause. So the client that blocks and the one that does not
differ only in how they do these two things.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpx

from glyph_client.errors import DeadlineError, FailedError, GlyphError, UnreachableError
from glyph_client.question import LONGEST_TIMEOUT_S
from glyph_client.receiving import most_bytes
from glyph_client.retries import Outcome, wait_before_retry

T = TypeVar("T")

_SHARE_OF_SERVICE = 0.95  # of the time that is left; the rest is for the way there and back
_LONGEST_DEADLINE_MS = 60_000  # a service refuses a longer one
_LEAST_S = 0.001
_OK = 200
_GREATEST_PORT = 65535
_LONGEST_REASON = 300
_KEY = re.compile("[!-~]+")


@dataclass(frozen=True)
class Send:
    """A request to send; its outcome is to be given back."""

    request: httpx.Request
    timeout_s: float
    most_bytes: int
    """Bound on the body of the answer."""


@dataclass(frozen=True)
class Pause:
    """Seconds to wait."""

    seconds: float


Conversation = Generator[Send | Pause, Outcome | None, T]


class Asker:
    """Knows an address, and how patient its caller is."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None,
        timeout_s: float,
        retries: int,
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        """Check what the caller sets.

        Raises:
            ValueError: If any of it cannot be.
        """
        if not _is_address(url):
            raise ValueError(f"url is {url!r}; one such as http://127.0.0.1:8000 is expected")
        if api_key is not None and not _KEY.fullmatch(api_key):
            raise ValueError("api_key is empty, or holds more than visible ASCII characters")
        if not 0 < timeout_s <= LONGEST_TIMEOUT_S:
            raise ValueError(f"timeout is {timeout_s}; up to {LONGEST_TIMEOUT_S:g} s are expected")
        if retries < 0:
            raise ValueError(f"retries is {retries}; 0 or more are expected")
        self.url = url.rstrip("/")
        self.clock = clock
        self._timeout_s = timeout_s
        self._retries = retries
        self._jitter = jitter
        self._headers = {"User-Agent": "glyph-client"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        images: int = 0,
        **options: Any,
    ) -> Conversation[httpx.Response]:
        """Ask until there is an answer that stays the same, or the time is up.

        Args:
            method: Of HTTP.
            path: Below the address.
            headers: Beside those that every request has.
            images: How many the answer is about; the more, the larger it may be.
            options: Others of httpx.Request.

        Raises:
            GlyphError: If there is no answer at all.
        """
        deadline = self.clock() + self._timeout_s
        left = self._timeout_s
        outcomes: list[Outcome] = []
        while True:
            request = self._request(method, path, left, headers or {}, options)
            outcome = yield from _sent(Send(request, left, most_bytes(images)))
            outcomes.append(outcome)
            if isinstance(outcome, httpx.Response) and outcome.status_code == _OK:
                return outcome
            wait = wait_before_retry(outcomes, self._retries, self._jitter())
            if wait is None or self.clock() + wait >= deadline:
                return self._answer(outcome, self._timeout_s)
            if wait:
                yield Pause(wait)
            left = max(deadline - self.clock(), _LEAST_S)

    def ask_once(self, path: str, most_s: float) -> Conversation[httpx.Response]:
        """Ask without another try.

        Args:
            path: Below the address.
            most_s: Seconds to wait, if that is less than the caller's patience.

        Raises:
            GlyphError: If there is no answer at all.
        """
        left = max(min(most_s, self._timeout_s), _LEAST_S)
        request = self._request("GET", path, left, {}, {})
        outcome = yield from _sent(Send(request, left, most_bytes(0)))
        return self._answer(outcome, left)

    def _request(
        self, method: str, path: str, left: float, headers: dict[str, str], options: dict[str, Any]
    ) -> httpx.Request:
        """Build a request that says how long its caller will wait."""
        wanted_ms = int(left * 1000 * _SHARE_OF_SERVICE)
        deadline = {"X-Request-Timeout-Ms": str(min(max(1, wanted_ms), _LONGEST_DEADLINE_MS))}
        return httpx.Request(
            method,
            self.url + path,
            headers=self._headers | deadline | headers,
            extensions={"timeout": httpx.Timeout(left).as_dict()},
            **options,
        )

    def _answer(self, outcome: Outcome, waited_s: float) -> httpx.Response:
        if isinstance(outcome, httpx.Response):
            return outcome
        if isinstance(outcome, GlyphError):
            raise outcome
        raise self._no_answer(outcome, waited_s) from outcome

    def _no_answer(self, failure: Exception, waited_s: float) -> GlyphError:
        """Return the error for what a transport raised: httpx's, or by a transport of its own."""
        why = (str(failure) or type(failure).__name__)[:_LONGEST_REASON]
        if isinstance(failure, httpx.ConnectTimeout | httpx.ConnectError | httpx.ProxyError):
            return UnreachableError(f"no connection to {self.url}: {why}")
        if isinstance(failure, httpx.TimeoutException | TimeoutError):
            return DeadlineError(f"{self.url} did not answer within {waited_s:g} s")
        if isinstance(failure, httpx.RemoteProtocolError):
            return UnreachableError(f"{self.url} gave no whole answer in HTTP: {why}")
        if isinstance(failure, httpx.NetworkError | OSError):
            return UnreachableError(f"the connection to {self.url} broke: {why}")
        return FailedError(f"{self.url} cannot be asked: {why}")


def no_cookies() -> CookieJar:
    """Return a jar that keeps none: Glyph sets none, and others could fill memory with them."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def _is_address(url: str) -> bool:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    known = address.scheme in ("http", "https") and bool(address.host)
    return known and (address.port or 0) <= _GREATEST_PORT


def _sent(step: Send) -> Conversation[Outcome]:
    outcome = yield step
    if outcome is None:
        raise TypeError("what was to be sent has no outcome")
    return outcome
