"""Looks at the public keys when the service starts, so that it is not the host that stumbles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.wrong_settings import WrongSettingError, exit_on_wrong_value
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
        with exit_on_wrong_value():
            raise WrongSettingError("public_keys", settings.public_keys, str(exc)) from exc
