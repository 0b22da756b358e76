"""Authorization of changes over HTTP: the admin token."""

from __future__ import annotations

import hmac
from typing import Any

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import ForbiddenError, UnauthenticatedError


def check_token(environ: dict[str, Any], token: str | None) -> None:
    """Check that a request carries the token.

    Args:
        environ: The request's.
        token: What is expected; None lets nobody pass.

    Raises:
        UnauthenticatedError: If the request carries none.
        ForbiddenError: If it carries another, or nobody may pass.
    """
    if token is None:
        raise ForbiddenError(
            "changes over HTTP are turned off; set GLYPH_ADMIN_TOKEN or GLYPH_ADMIN_TOKEN_FILE "
            "to turn them on"
        )
    scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise UnauthenticatedError(
            "this changes something; the header Authorization: Bearer <admin token> is expected"
        )
    # Not `==`, whose time reveals how much of a guess was right.
    if not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise ForbiddenError("the admin token is wrong", code=ErrorCode.AUTH_WRONG_TOKEN)
