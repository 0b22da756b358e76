"""Checks signatures, if the service has trusted keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from model_store.signing.signatures import verify_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path


def signature_check(paths: Collection[Path]) -> Callable[[Path], object]:
    """Return a check that raises SignatureError for a version that none of the keys signed.

    Without keys every version passes, and cryptography is not imported: that is 13 MiB.

    Raises:
        KeyFileError: If a key cannot be used.
    """
    if not paths:
        return lambda _version: None
    from model_store.signing.keys import read_public_keys  # noqa: PLC0415

    return partial(verify_signature, keys=read_public_keys(paths))
