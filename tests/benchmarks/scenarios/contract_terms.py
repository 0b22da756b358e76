"""What may differ from the description, and why."""

from __future__ import annotations

from typing import NamedTuple

ANSWERS = "CONTRACT_ANSWERS"
"""Variable that names the file to which every answer is noted."""


class Accepted(NamedTuple):
    """A failure that is none."""

    method: str
    path: str
    """How its path begins."""
    title: str
    status: int
    why: str


_LONG = "gunicorn itself refuses lines that are longer than it reads"
ACCEPTED = (
    Accepted("", "/", "Undocumented status code", 414, _LONG),
    Accepted("", "/", "Schema-violating request accepted", 414, _LONG),
    Accepted(
        "",
        "/v1/",
        "Wrong response to undeclared method",
        400,
        "TensorFlow Serving calls any other method a malformed request",
    ),
    Accepted(
        "",
        "/v1/models/{name}/labels/",
        "Schema-valid request rejected",
        400,
        "TensorFlow Serving knows no 404 for labels",
    ),
    Accepted(
        "POST",
        "/models/{name}/example",
        "Wrong response to undeclared method",
        401,
        "whoever may not change anything is not told which changes there are",
    ),
    Accepted(
        "OPTIONS",
        "/models/{name}/example",
        "Allow header mismatch",
        200,
        "likewise: it could be a change",
    ),
)


def accepted(method: str, path: str, title: str, status: int) -> str | None:
    """Return why a failure is acceptable; None if it is a failure."""
    for case in ACCEPTED:
        asked = case.method in ("", method) and path.startswith(case.path)
        if asked and (case.title, case.status) == (title, status):
            return case.why
    return None
