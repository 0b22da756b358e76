"""How long a recipe takes on a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Schedule:
    """A recipe's length on a data set: rounds are epochs, or the stretches between two reports."""

    rounds: int
    steps_per_round: int
    steps: int
    """All steps; the last round is cut short where they do not divide."""

    @classmethod
    def of(cls, recipe: Recipe, images: int) -> Schedule:
        """Count the steps; a last, smaller batch of an epoch counts too."""
        if recipe.steps is None:
            rounds, per_round = recipe.epochs or 1, math.ceil(images / recipe.batch_size)
            return cls(rounds, per_round, rounds * per_round)
        per_round = min(recipe.steps, recipe.report_every or max(1, recipe.steps // 10))
        return cls(math.ceil(recipe.steps / per_round), per_round, recipe.steps)
