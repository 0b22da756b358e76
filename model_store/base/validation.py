"""The first error that pydantic finds in a document: its field, the problem and the value found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_MOST_SHOWN = 80
"""Characters of a value that is repeated in a message; a longer one is left out."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error, for messages in the words of the caller."""

    path: tuple[int | str, ...]
    """Names of fields and positions in lists, outermost first; empty for the whole document."""
    problem: str
    kind: str
    """Pydantic's name for the error, such as `missing`."""
    found: object

    @property
    def field(self) -> str | None:
        """Return the path with dots; None for the whole document."""
        return ".".join(map(str, self.path)) or None

    @property
    def phrase(self) -> str:
        """Return the problem with a small first letter, to follow a colon."""
        return self.problem[:1].lower() + self.problem[1:]

    @property
    def problem_and_found(self) -> str:
        """Return the problem with the value found, if that is a short one."""
        if isinstance(self.found, (str, int, float)) and len(repr(self.found)) <= _MOST_SHOWN:
            return f"{self.problem} (found {self.found!r})"
        return self.problem

    def __str__(self) -> str:
        """Return the problem behind its field, without the value found: it may be a secret."""
        return f"field {self.field}: {self.problem}" if self.field else self.problem


def first_error(exc: ValidationError) -> FieldError:
    """Return the first error."""
    first = exc.errors(include_url=False, include_context=False)[0]
    problem = first["msg"].removeprefix("Value error, ")
    return FieldError(first["loc"], problem, first["type"], first["input"])
