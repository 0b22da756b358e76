"""Errors of settings: one line on stderr, and exit code 2."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "GLYPH_"
_SECRET = ("admin_token",)
"""What is not to be repeated in a complaint."""
_MOST_SHOWN = 160
"""Characters of a value; nobody reads more."""


class WrongSettingError(Exception):
    """Raised when the service can never work with a setting as it is."""

    def __init__(self, setting: str, value: object, problem: str) -> None:
        """Name the setting, what was found, and what is expected.

        Args:
            setting: The setting's field, such as `run_dir`.
            value: What was found.
            problem: What is wrong with it, and what to do.
        """
        super().__init__(f"{PREFIX}{setting.upper()}={_shown(value)}: {problem}")


class SurroundingsError(Exception):
    """Raised when the service can never work where it was started, whatever its settings."""


@contextlib.contextmanager
def exit_on_wrong_value() -> Iterator[None]:
    """Turn wrong settings into a line on stderr for each and exit code 2."""
    try:
        yield
    except ValidationError as exc:
        _end(complaints(exc))
    except (WrongSettingError, SurroundingsError) as exc:
        _end([str(exc)])


def _end(sentences: list[str]) -> None:
    for complaint in sentences:
        print(f"glyph: {_on_one_line(complaint)}", file=sys.stderr)  # noqa: T201
    raise SystemExit(2) from None


def complaints(exc: ValidationError) -> list[str]:
    """Return a message for each invalid setting."""
    lines = []
    for error in exc.errors(include_url=False):
        message = error["msg"].removeprefix("Value error, ")
        if not error["loc"]:
            lines.append(message)
            continue
        field = str(error["loc"][0])
        found = "" if field in _SECRET else f"={_shown(error['input'])}"
        lines.append(f"{PREFIX}{field.upper()}{found}: {message[0].lower()}{message[1:]}")
    return lines


def _shown(value: object) -> str:
    text = str(value)
    rest = len(text) - _MOST_SHOWN
    return repr(text) if rest <= 0 else f"{text[:_MOST_SHOWN]!r} and {rest} more characters"


def _on_one_line(text: str) -> str:
    """Escape what would break a line, or cannot be written."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
