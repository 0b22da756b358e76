"""Checks the public keys when the service starts, so that the host does not fail on them later."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.config.wrong_settings import WrongSettingError, exit_on_wrong_value
from app.server.startup_checks.isolated_call import call_isolated
from model_store import KeyFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.config.settings import Settings


def check_public_keys(settings: Settings) -> None:
    """End the process with one line and exit code 2 if a key cannot be used."""
    paths = settings.public_key_paths
    if paths and (problem := call_isolated(partial(_problem, paths))):
        with exit_on_wrong_value():
            raise WrongSettingError("public_keys", settings.public_keys, problem)


def _problem(paths: Sequence[Path]) -> str | None:
    """Return why the keys cannot be used; None where they can."""
    from model_store.signing.keys import read_public_keys  # noqa: PLC0415 - not in the master

    try:
        read_public_keys(paths)
    except KeyFileError as exc:
        return str(exc)
    return None
