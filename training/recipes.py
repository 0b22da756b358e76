"""Recipes: everything that decides how a network is fitted, as data (recipes/*.toml)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model_store.base.validation import first_error
from training.errors import RecipeError

DIRECTORY = Path(__file__).parent / "recipes"

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Optimizer(_Part):
    """How weights follow gradients."""

    name: Literal["sgd", "adam"]
    rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_share: Share = 0.0
    """Share of all steps in which the rate rises from zero."""


class Augment(_Part):
    """Ranges of the random affine warp, each side of no change."""

    rotate_degrees: float = Field(default=0.0, ge=0)
    scale: Share = 0.0
    shear: float = Field(default=0.0, ge=0)
    shift: Share = 0.0
    """As a share of the image's side."""


class Recipe(_Part):
    """One way to train."""

    name: str
    summary: str
    network: Literal["softmax", "cnn", "compact"]
    scale: float = Field(gt=0)
    """Pixels 0 to 255 are multiplied by it, inside the graph."""
    zero_weights: bool = False
    batch_size: Positive
    steps: Positive | None = None
    epochs: Positive | None = None
    train_first: Positive | None = None
    """Fit with the first so many training images; the rest is not used."""
    validation_images: int = Field(default=0, ge=0)
    average_decay: Share | None = None
    """Decay of the moving average of the weights, which is what is published."""
    report_every: Positive | None = None
    """Print the training accuracy every so many steps."""
    optimizer: Optimizer
    augment: Augment | None = None

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        return self

    def lasting(self, *, steps: int | None, epochs: int | None) -> Recipe:
        """Return the same recipe with another length, where one is given."""
        if steps is None and epochs is None:
            return self
        return self.model_copy(update={"steps": steps, "epochs": epochs})


def names() -> list[str]:
    """Name every recipe."""
    return sorted(path.stem for path in DIRECTORY.glob("*.toml"))


def read(name: str) -> Recipe:
    """Read a recipe by its name.

    Raises:
        RecipeError: If there is none, or a field of it is wrong.
    """
    if name not in names():
        raise RecipeError(f"there is no recipe {name!r}; there are {', '.join(names())}")
    try:
        values = tomllib.loads((DIRECTORY / f"{name}.toml").read_text(encoding="utf-8"))
        return Recipe.model_validate({"name": name, **values})
    except tomllib.TOMLDecodeError as exc:
        raise RecipeError(f"recipe {name}: is no TOML: {exc}") from exc
    except ValidationError as exc:
        raise RecipeError(f"recipe {name}: {first_error(exc)}") from exc
