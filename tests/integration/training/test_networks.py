"""Every network builds, and has the size that is promised."""

from __future__ import annotations

import numpy as np
import pytest

from training import recipes
from training.networks import build

SHAPE = (28, 28, 1)


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_builds(name):
    """Images are bytes, answers are one number per class, for any number of images."""
    network = build(recipes.read(name), SHAPE, 10)

    assert (None, *SHAPE) == network.input_shape
    assert "uint8" == network.input.dtype
    for n in (1, 3):
        assert (n, 10) == network(np.zeros((n, *SHAPE), np.uint8)).shape


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("softmax", 7_850), ("tutorial-softmax", 7_850), ("cnn", 3_274_634)],
)
def test_the_tutorials_networks_have_their_size(name, parameters):
    """The parameter counts are the tutorial's."""
    assert parameters == build(recipes.read(name), SHAPE, 10).count_params()


def test_compact_keeps_its_budget():
    """At most 150,000 parameters."""
    assert build(recipes.read("compact"), SHAPE, 10).count_params() <= 150_000


@pytest.mark.parametrize("shape", [(8, 8, 1), (40, 17, 1)], ids=["smallest", "not square"])
@pytest.mark.parametrize("name", ["softmax", "cnn", "compact"])
def test_other_sizes_build(name, shape):
    """The smallest image that the readers let through is large enough for every network."""
    network = build(recipes.read(name), shape, 4)

    assert (2, 4) == network(np.zeros((2, *shape), np.uint8)).shape


def test_the_tutorials_softmax_starts_at_zero():
    """All weights and biases are zero, so that every class is as likely as any other."""
    weights = build(recipes.read("tutorial-softmax"), SHAPE, 10).get_weights()

    assert [0.0, 0.0] == [float(np.abs(w).max()) for w in weights]


def test_the_tutorials_cnn_starts_as_it_did():
    """Weights are normal with deviation 0.1, cut off at 0.2, which leaves 0.088; biases are 0.1."""
    kernel, bias = build(recipes.read("tutorial-cnn"), SHAPE, 10).get_weights()[4:6]

    assert (3136, 1024) == kernel.shape
    assert pytest.approx(0.088, rel=0.01) == kernel.std()
    assert pytest.approx(0.2, rel=0.01) == np.abs(kernel).max()
    assert {np.float32(0.1)} == set(bias)


def test_scaling_is_inside_the_network():
    """Raw bytes go in: 255 counts as 1 under a scale of 1/255."""
    network = build(recipes.read("softmax"), SHAPE, 2)
    ones = np.ones((784, 2), np.float32)
    network.set_weights([ones, np.zeros(2, np.float32)])

    assert pytest.approx(784, rel=1e-5) == float(network(np.full((1, *SHAPE), 255, np.uint8))[0, 0])
