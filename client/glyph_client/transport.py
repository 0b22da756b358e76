"""Sends a request, and again while that may help and there is time.

It opens no socket and reads no clock of its own: a `Network` sends and waits. The coroutines here
and in `protocol` serve both clients. Nothing suspends over the blocking client's network, so that
they end in their first step there.
"""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import httpx

from glyph_client.errors import DeadlineError, FailedError, GlyphError, UnreachableError
from glyph_client.response_body import max_response_bytes
from glyph_client.retries import Outcome, wait_before_retry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from glyph_client.options import ClientOptions

    T = TypeVar("T")
    R = TypeVar("R")

_SERVICE_SHARE = 0.95  # of the time that is left; the rest is for the network
_MAX_DEADLINE_MS = 60_000  # the service refuses a longer one
_MIN_TIMEOUT_S = 0.001
_OK = 200
_MAX_REASON_CHARS = 300


class Network(Protocol):
    """Sends requests and waits; one for each kind of client."""

    async def send(
        self, request: httpx.Request, timeout_s: float, max_bytes: int
    ) -> httpx.Response:
        """Return the response with its body, of at most `max_bytes`, within `timeout_s`."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def map(self, work: Callable[[T], Coroutine[Any, Any, R]], items: Iterator[T]) -> list[R]:
        """Return the result of `work` for each item, in their order."""


class Transport:
    """Sends requests to one address, each within the caller's timeout."""

    def __init__(self, options: ClientOptions, network: Network) -> None:
        """Send over a network."""
        self.url = options.url.rstrip("/")
        self._options = options
        self._network = network
        self._headers = {"User-Agent": "glyph-client"}
        if options.api_key is not None:
            self._headers["Authorization"] = f"Bearer {options.api_key}"

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        images: int = 0,
        **content: Any,
    ) -> httpx.Response:
        """Return the response after all retries, whatever its status.

        Args:
            method: Of HTTP.
            path: Below the address.
            headers: Beside those that every request has.
            images: How many the response is about; the more, the larger it may be.
            content: Other arguments of httpx.Request.

        Raises:
            GlyphError: If there is no response.
        """
        clock, timeout_s = self._options.clock, self._options.timeout_s
        deadline = clock() + timeout_s
        left = timeout_s
        outcomes: list[Outcome] = []
        while True:
            request = self._build(method, path, left, headers or {}, content)
            outcome = await self._outcome(request, left, images)
            outcomes.append(outcome)
            if isinstance(outcome, httpx.Response) and outcome.status_code == _OK:
                return outcome
            wait = wait_before_retry(outcomes, self._options.retries, self._options.jitter())
            if wait is None or clock() + wait >= deadline:
                return self._response(outcome, timeout_s)
            if wait:
                await self._network.sleep(wait)
            left = max(deadline - clock(), _MIN_TIMEOUT_S)

    async def get_once(self, path: str, max_s: float) -> httpx.Response:
        """Return the response to a GET that is not retried.

        Args:
            path: Below the address.
            max_s: Seconds to wait, if that is less than the caller's timeout.

        Raises:
            GlyphError: If there is no response.
        """
        left = max(min(max_s, self._options.timeout_s), _MIN_TIMEOUT_S)
        request = self._build("GET", path, left, {}, {})
        return self._response(await self._outcome(request, left, images=0), left)

    def _build(
        self, method: str, path: str, left: float, headers: dict[str, str], content: dict[str, Any]
    ) -> httpx.Request:
        """Return a request that tells the service how long its caller will wait."""
        service_ms = int(left * 1000 * _SERVICE_SHARE)
        deadline = {"X-Request-Timeout-Ms": str(min(max(1, service_ms), _MAX_DEADLINE_MS))}
        return httpx.Request(
            method,
            self.url + path,
            headers=self._headers | deadline | headers,
            extensions={"timeout": httpx.Timeout(left).as_dict()},
            **content,
        )

    async def _outcome(self, request: httpx.Request, timeout_s: float, images: int) -> Outcome:
        try:
            return await self._network.send(request, timeout_s, max_response_bytes(images))
        except Exception as exc:  # noqa: BLE001 - transports raise much, and callers get one family
            return exc

    def _response(self, outcome: Outcome, waited_s: float) -> httpx.Response:
        if isinstance(outcome, httpx.Response):
            return outcome
        if isinstance(outcome, GlyphError):
            raise outcome
        raise self._error(outcome, waited_s) from outcome

    def _error(self, failure: Exception, waited_s: float) -> GlyphError:
        """Return the error for what httpx raised, or a transport of the caller's."""
        why = (str(failure) or type(failure).__name__)[:_MAX_REASON_CHARS]
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
