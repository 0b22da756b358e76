"""Looks at the public keys when the service starts, so that it is not the host that stumbles."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from app.settings import PREFIX
from model_store import KeyFileError

if TYPE_CHECKING:
    from app.settings import Settings


def check_public_keys(settings: Settings) -> None:
    """End the process with one line and exit code 2 if a key cannot be used."""
    if not settings.public_key_paths:
        return
    from model_store.keys import read_public_keys  # noqa: PLC0415 - 13 MiB, for signatures only

    try:
        read_public_keys(settings.public_key_paths)
    except KeyFileError as exc:
        print(f"glyph: {PREFIX}PUBLIC_KEYS={settings.public_keys!r}: {exc}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None
