"""The choice between a model's default version and its canary.

Policy only: the status is passed in, and nothing is requested.
"""

from __future__ import annotations

import random
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from app.ipc.status import CanaryStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.config.share import Share
    from app.ipc.status import ModelStatus

    Environ = dict[str, Any]

_WHOLE = 100


class Traffic:
    """Splits a model's traffic between its default version and its canary."""

    def __init__(
        self,
        share: Share | None = None,
        *,
        draw: Callable[[], float] = random.random,
        on_choice: Callable[[str, str], None] = lambda _model, _side: None,
    ) -> None:
        """Create a splitter.

        Args:
            share: What models get whose control document names no canary.
            draw: Gives a number from 0 up to 1, each as likely as the other.
            on_choice: Told the model and the side, `canary` or `default`, of every request that
                could have gone to either.
        """
        self._share = share
        self._draw = draw
        self._on_choice = on_choice

    def canary(self, model: ModelStatus) -> CanaryStatus | None:
        """Return a model's canary, whether or not it can serve requests."""
        share = self._share
        if model.canary is not None or share is None or share.label not in model.labels:
            return model.canary
        return CanaryStatus(version=model.labels[share.label], **share._asdict())

    def choose(self, model: ModelStatus, environ: Environ) -> int:
        """Choose the version for a request for a model's default version.

        Args:
            model: The requested model.
            environ: The request's, for its headers.

        Returns:
            The canary's number, or 0 for the default version, whichever that is by then.
        """
        if model.canary is None and self._share is None:
            return 0  # without another call: it is every request's way
        canary = self.canary(model)
        if canary is None or why_idle(model, canary) is not None:
            return 0
        taken = self._place(model.name, canary.sticky_header, environ) * _WHOLE < canary.percent
        self._on_choice(model.name, "canary" if taken else "default")
        return canary.version if taken else 0

    def _place(self, model: str, header: str | None, environ: Environ) -> float:
        """Return a request's position from 0 up to 1; the canary's share begins at 0.

        So a greater share includes the callers of a smaller one.
        """
        value = environ.get(environ_key(header)) if header is not None else None
        if value is None:
            return self._draw()
        digest = blake2b(value.encode(), digest_size=6, key=model.encode()).digest()
        return int.from_bytes(digest) / 2**48  # a float holds it exactly


def why_idle(model: ModelStatus, canary: CanaryStatus) -> str | None:
    """Return why a canary gets no requests; None if it gets its share."""
    found, default = model.version(canary.version), model.serving
    if canary.version == model.default:
        return f"version {canary.version} is the default version"
    if found is None or found.state != "serving" or found.loaded is None:
        return f"version {canary.version} does not serve"
    if default is None or default.loaded is None:
        return "there is no default version beside it"
    if found.loaded.input_shape != default.loaded.input_shape:
        takes, others = (
            " x ".join(map(str, v.loaded.input_shape)) for v in (found, default) if v.loaded
        )
        return f"it takes images of {takes}; callers of the default version send {others}"
    return None


@lru_cache(maxsize=64)
def environ_key(header: str) -> str:
    """Return the WSGI key of a header."""
    return f"HTTP_{header.upper().replace('-', '_')}"
