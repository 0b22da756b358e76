"""Recipes are data: all parse, and a wrong one names its field."""

from __future__ import annotations

import pytest

from training import recipes
from training.errors import RecipeError

SOFTMAX = """
summary = "a test's"
network = "softmax"
scale = 1.0
batch_size = 10
epochs = 1
[optimizer]
name = "adam"
rate = 0.1
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a function that makes recipe text the recipe called "own"."""
    monkeypatch.setattr(recipes, "DIRECTORY", tmp_path)
    return (tmp_path / "own.toml").write_text


def test_the_promised_recipes_are_there():
    """The five recipes of the documentation exist."""
    assert ["cnn", "compact", "softmax", "tutorial-cnn", "tutorial-softmax"] == recipes.names()


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_parses(name):
    """Every file that ships is a valid recipe with a sentence about itself."""
    recipe = recipes.read(name)

    assert name == recipe.name
    assert recipe.summary


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tutorial-softmax", ("sgd", 0.5, 1000, 100, True, 55_000)),
        ("tutorial-cnn", ("adam", 1e-4, 10_000, 50, False, 55_000)),
    ],
)
def test_the_tutorials_are_exact(name, expected):
    """Optimizer, rate, steps, batch, start and images are the tutorial's; pixels are not scaled."""
    recipe = recipes.read(name)

    found = recipe.optimizer.name, recipe.optimizer.rate, recipe.steps, recipe.batch_size
    assert expected == (*found, recipe.zero_weights, recipe.train_first)
    assert 1.0 == recipe.scale


def test_an_unknown_recipe_is_refused_with_the_known_ones():
    """A mistyped name is answered with what there is."""
    with pytest.raises(RecipeError, match="no recipe 'sotfmax'; there are cnn, compact, softmax"):
        recipes.read("sotfmax")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("batch_sise = 10", "recipe own: field batch_sise: Extra inputs are not permitted"),
        ("scale = -1.0", "recipe own: field scale: Input should be greater than 0"),
        ('[augment]\nscale = "much"', "recipe own: field augment.scale: "),
        ("steps = 10", "recipe own: give either steps or epochs"),
        ("steps = ", "recipe own: is no TOML: Invalid value"),
    ],
    ids=["unknown field", "out of range", "nested", "two lengths", "no TOML"],
)
def test_a_wrong_recipe_names_its_field(own, line, sentence):
    """The first offending field is in the sentence, with its table."""
    key = line.split(" ")[0]
    kept = [text for text in SOFTMAX.splitlines() if not text.startswith(f"{key} ")]
    own("\n".join([*kept, line] if line.startswith("[") else [line, *kept]))

    with pytest.raises(RecipeError) as caught:
        recipes.read("own")

    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ({"steps": 3, "epochs": None}, (3, None)),
        ({"steps": None, "epochs": 2}, (None, 2)),
        ({"steps": None, "epochs": None}, (None, 8)),
    ],
    ids=["steps", "epochs", "neither"],
)
def test_a_length_given_replaces_the_recipes_own(length, expected):
    """Steps take the place of epochs and the other way round; neither keeps the recipe's."""
    recipe = recipes.read("softmax").lasting(**length)

    assert expected == (recipe.steps, recipe.epochs)
