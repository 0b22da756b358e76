"""How many steps a recipe takes."""

from __future__ import annotations

import pytest

from training import recipes
from training.schedule import Schedule


@pytest.mark.parametrize(
    ("images", "steps_per_epoch"),
    [(55_000, 550), (55_001, 551), (99, 1)],
    ids=["divides", "a smaller last batch", "less than a batch"],
)
def test_an_epoch_sees_every_image(images, steps_per_epoch):
    """The last, smaller batch of an epoch is a step too."""
    recipe = recipes.read("softmax")

    assert Schedule(8, steps_per_epoch, 8 * steps_per_epoch) == Schedule.of(recipe, images)


@pytest.mark.parametrize(
    ("name", "rounds", "steps"), [("tutorial-cnn", 10, 10_000), ("tutorial-softmax", 10, 1_000)]
)
def test_the_tutorials_take_their_steps(name, rounds, steps):
    """The CNN reports every 1,000 steps, softmax regression every tenth of the way."""
    assert Schedule(rounds, steps // rounds, steps) == Schedule.of(recipes.read(name), 55_000)


@pytest.mark.parametrize("steps", [1, 7, 25, 999, 1_500])
def test_the_steps_asked_for_are_the_steps_taken(steps):
    """The rounds cover the steps, and the last one is cut short where they do not divide."""
    schedule = Schedule.of(recipes.read("tutorial-cnn").lasting(steps=steps, epochs=None), 55_000)

    assert steps == schedule.steps
    assert (
        schedule.steps_per_round * (schedule.rounds - 1)
        < steps
        <= schedule.steps_per_round * schedule.rounds
    )
