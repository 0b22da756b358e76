"""Which names a model may have: those that can name a folder and part of a URL."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import StringConstraints

from model_store.base.errors import VersionNotFoundError

MODEL_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"

ModelName = Annotated[str, StringConstraints(pattern=MODEL_NAME_PATTERN)]


def require_model_name(model: str) -> None:
    """Refuse a name that could not be a folder's.

    Raises:
        VersionNotFoundError: If it breaks `MODEL_NAME_PATTERN`.
    """
    if not re.fullmatch(MODEL_NAME_PATTERN, model):
        problem = "may hold letters, digits, '_', '.' and '-', and starts with a letter or digit"
        raise VersionNotFoundError(f"{model!r} is no model name: one {problem}")
