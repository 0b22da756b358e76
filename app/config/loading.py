"""The settings of this process: read from the environment, and kept for its forks."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import ValidationError

from app.config.settings import Settings
from app.config.wrong_settings import PREFIX, complaints, exit_on_wrong_value

if TYPE_CHECKING:
    from collections.abc import Iterable

_kept: list[Settings] = []


def load_settings() -> Settings:
    """Return the settings that the master keeps, or read the environment.

    A wrong value ends the process with one line that names it.
    """
    if _kept:
        return _kept[-1]
    with exit_on_wrong_value():
        return Settings()


def keep_settings(settings: Settings) -> None:
    """Set the checked settings of this process and its forks."""
    _kept[:] = [settings]


def reload_settings() -> str | None:
    """Read the environment again; keep the present settings if it is wrong, and return why."""
    try:
        keep_settings(Settings())
    except ValidationError as exc:
        return "; ".join(complaints(exc))
    return None


def misspelt(names: Iterable[str]) -> dict[str, str]:
    """Find variables that are nearly a setting's: name -> what was probably meant."""
    known = [f"{PREFIX}{field.upper()}" for field in Settings.model_fields]
    strangers = [name for name in names if name.startswith(PREFIX) and name not in known]
    meant = {name: get_close_matches(name, known, n=1, cutoff=0.85) for name in strangers}
    return {name: matches[0] for name, matches in meant.items() if matches}
