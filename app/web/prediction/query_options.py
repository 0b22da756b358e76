"""The query parameters of `/predict`: preparation of pictures, and fields of the answer."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args
from urllib.parse import parse_qs

from app.web.http.error_codes import ErrorCode
from app.web.http.errors import BadInputError
from imaging.preparation import Prepare

if TYPE_CHECKING:
    from collections.abc import Iterable

FIELDS = ("label", "class", "probability", "probabilities", "top", "notes", "pixels")
"""What a prediction may have, in the order in which it has it."""
USUAL_FIELDS = FIELDS[:4]

_PREPARE = get_args(Prepare)
PARAMETERS = ("prepare", "top_k", "fields")
_FEW_DIGITS = re.compile("[0-9]{1,6}")
_QUOTE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The options of a request."""

    prepare: Prepare = "auto"
    top_k: int = 0
    """How many of the likeliest classes are listed; 0 is all, where they are listed."""
    fields: frozenset[str] | None = None
    """None is the usual ones, and notes on pictures."""

    @property
    def needs_json(self) -> bool:
        """Whether only JSON can hold the answer."""
        return self.fields is not None or self.top_k > 0

    def check_classes(self, classes: int) -> None:
        """Check the options against the model's classes.

        Raises:
            BadInputError: If more classes are asked for.
        """
        if self.top_k > classes:
            raise _wrong_top_k(str(self.top_k), f"whole number from 1 to {classes}")

    def fields_of(self, *, pictures: bool) -> frozenset[str]:
        """Return the fields of each prediction.

        Args:
            pictures: Whether any image came as a picture.
        """
        fields = self.fields
        if fields is None:
            fields = frozenset((*USUAL_FIELDS, "notes") if pictures else USUAL_FIELDS)
        return fields | {"top"} if self.top_k else fields


USUAL = QueryOptions()


def read_query(text: str) -> QueryOptions:
    """Read a query.

    Args:
        text: As WSGI has it: a character is a byte, of UTF-8 or not.

    Raises:
        BadInputError: If a parameter or its value is not known, or stands twice.
    """
    arguments = parse_qs(text.encode("latin-1").decode(errors="replace"), keep_blank_values=True)
    for name, values in arguments.items():
        if name not in PARAMETERS:
            raise _unknown("query parameter", name, PARAMETERS)
        if len(values) > 1:
            raise BadInputError(
                f"query parameter {name} appears {len(values)} times; once is expected",
                code=ErrorCode.REQUEST_PARAMETER,
            )
    one = {name: value for name, (value,) in arguments.items()}
    return QueryOptions(_read_prepare(one), _read_top_k(one), _read_fields(one))


def _read_prepare(arguments: dict[str, str]) -> Prepare:
    text = arguments.get("prepare", "auto")
    prepare: Prepare | None = next((known for known in _PREPARE if known == text), None)
    if prepare is None:
        raise _unknown("value of prepare:", text, _PREPARE)
    return prepare


def _read_top_k(arguments: dict[str, str]) -> int:
    text = arguments.get("top_k")
    if text is None:
        return 0
    if not _FEW_DIGITS.fullmatch(text) or not int(text):
        raise _wrong_top_k(text, "whole number from 1 to the number of classes")
    return int(text)


def _read_fields(arguments: dict[str, str]) -> frozenset[str] | None:
    text = arguments.get("fields")
    if text is None:
        return None
    names = text.split(",")
    for name in names:
        if name not in FIELDS:
            raise _unknown("name in fields:", name, FIELDS)
    return frozenset(names)


def _wrong_top_k(found: str, expected: str) -> BadInputError:
    return BadInputError(
        f"top_k is {found[:_QUOTE_LENGTH]!r}; a {expected} is expected",
        code=ErrorCode.REQUEST_PARAMETER,
    )


def _unknown(what: str, found: str, known: Iterable[str]) -> BadInputError:
    names = list(known)
    near = difflib.get_close_matches(found[:_QUOTE_LENGTH], names, 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    there = f"there are {', '.join(names)}"
    return BadInputError(
        f"unknown {what} {found[:_QUOTE_LENGTH]!r}; {there}{meant}",
        code=ErrorCode.REQUEST_PARAMETER,
    )
