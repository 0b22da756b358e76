"""Admits requests that carry an API key and are within the limit; rejects the others."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Any

from app.web.http.environ import CALLER
from app.web.http.error_codes import ErrorCode
from app.web.http.errors import (
    ForbiddenError,
    NotReadyError,
    RateLimitedError,
    ServiceError,
    UnauthenticatedError,
)
from app.web.middleware.clients import client_of
from app.web.middleware.public_paths import is_change, is_free, is_read_only

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.auth.keyring import Caller, KeyRing
    from app.web.middleware.metrics import WebMetrics
    from app.web.middleware.rate_limit import Limiter

_EXPECTED = "Authorization: Bearer <key>, or X-API-Key: <key>, is expected"

Environ = dict[str, Any]


class Guard:
    """Checks keys, tokens and limits on the way in."""

    def __init__(
        self,
        *,
        keys: KeyRing | None,
        limiter: Limiter | None,
        rate: str | None,
        admin_token: str | None,
        metrics: WebMetrics,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Create a guard.

        Args:
            keys: The API keys; None admits everybody.
            limiter: Counts requests; None sets no limit.
            rate: Limit of a key that has none of its own, and of the times that an address
                may show a wrong key or token.
            admin_token: Admits changes and reads, but no predictions.
            metrics: Counts rejections, and requests by key.
            now: Seconds since 1970.
        """
        self._keys = keys
        self._limiter = limiter
        self._rate = rate
        self._admin_token = admin_token.encode() if admin_token else None
        self._metrics = metrics
        self._now = now

    def enter(self, environ: Environ) -> None:
        """Admit a request, or reject it.

        Raises:
            ServiceError: If it is rejected; the class says why.
        """
        if not is_free(environ["PATH_INFO"]):
            self._check(environ)

    def headers(self, _environ: Environ) -> list[tuple[str, str]]:
        """Return no headers."""
        return []

    def _check(self, environ: Environ) -> None:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        bearer = _bearer(environ)
        client = client_of(environ.get("REMOTE_ADDR", ""))
        changes = is_change(method, path)
        # Beside a key, a token counts for changes alone: else its owner could tell, by what is not
        # counted against the key, whether a guess was right.
        key = None if changes or self._keys is None else environ.get("HTTP_X_API_KEY")
        by_admin = not key and self._is_admin(bearer, client)
        if by_admin and (changes or is_read_only(method, path)):
            return
        if self._keys is None or changes:
            if bearer and self._admin_token is not None and not by_admin:
                self._count_wrong(client)
            if self._keys is None:
                self._limit(client, self._rate)
            return  # the route itself asks for the admin token
        if by_admin:
            message = f"the admin token does not permit predictions; {_EXPECTED}"
            raise self._refused("admin_token", ForbiddenError(message))
        caller = self._caller(key or bearer, self._keys, client)
        environ[CALLER] = caller.name
        self._limit(f"the key {caller.name}", caller.limit or self._rate)
        self._metrics.let_in(caller.name)

    def _caller(self, key: str | None, keys: KeyRing, client: str) -> Caller:
        if not key:
            raise self._refused(
                "no_key", UnauthenticatedError(f"this needs an API key; {_EXPECTED}")
            )
        caller = keys.find(key)
        if not keys.readable:
            raise self._refused(
                "no_keys",
                NotReadyError(
                    "the API keys cannot be read; the log says why",
                    retry_after_s=1,
                    code=ErrorCode.AUTH_UNAVAILABLE,
                ),
            )
        if caller is None:
            self._count_wrong(client)
            raise self._refused(
                "unknown_key",
                UnauthenticatedError(
                    "the API key is not known, or no longer", code=ErrorCode.AUTH_UNKNOWN_KEY
                ),
            )
        if caller.expires is not None and caller.expires <= self._now():
            self._count_wrong(client)
            raise self._refused(
                "expired_key",
                UnauthenticatedError("the API key has expired", code=ErrorCode.AUTH_EXPIRED_KEY),
            )
        return caller

    def _count_wrong(self, client: str) -> None:
        """Count a wrong key or token, in a count of its own: valid keys are still admitted."""
        trouble = f"{client} has sent more wrong keys or tokens than {self._rate}"
        self._limit(_wrong_ones(client), self._rate, trouble)

    def _limit(self, caller: str, rate: str | None, trouble: str = "") -> None:
        if rate is None or self._limiter is None:
            return
        try:
            self._limiter.check(caller, rate, trouble)
        except RateLimitedError as exc:
            raise self._refused("limit", exc) from None

    def _is_admin(self, token: str | None, client: str) -> bool:
        """Check a token; after too many wrong ones none is accepted, or guessing would go on."""
        if self._admin_token is None or token is None:
            return False
        if not hmac.compare_digest(token.encode(), self._admin_token):
            return False
        if self._rate is None or self._limiter is None:
            return True
        return not self._limiter.is_used_up(_wrong_ones(client), self._rate)

    def _refused(self, reason: str, error: ServiceError) -> ServiceError:
        self._metrics.refused(reason)
        return error


def _wrong_ones(client: str) -> str:
    return f"wrong keys of {client}"


def _bearer(environ: Environ) -> str | None:
    scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None
