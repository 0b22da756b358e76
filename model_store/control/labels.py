"""labels.json: names such as stable and canary that point at versions."""

from __future__ import annotations

from typing import Annotated

from pydantic import RootModel, StringConstraints

LABELS = "labels.json"

Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Labels(RootModel[dict[Label, int]]):
    """Label -> version."""
