"""The SavedModel keeps the contract, and an export that differs from Keras is found out."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.errors import ComparisonError
from training.export import BATCH_SIZES, compare, export
from training.networks import build


@pytest.fixture
def network(recipe) -> keras.Model:
    keras.utils.set_random_seed(3)
    return build(recipe("softmax"), (28, 28, 1), 3)


def signature(directory):
    model = tf.saved_model.load(str(directory))
    return model, model.signatures["serving_default"]  # the function lives as long as the model


def test_the_signature_is_the_contracts(network, tmp_path):
    """Bytes in, probabilities out, for any number of images."""
    export(network, tmp_path)

    _model, serve = signature(tmp_path)
    inputs, outputs = serve.structured_input_signature[1], serve.structured_outputs
    assert {"images": tf.TensorSpec((None, 28, 28, 1), tf.uint8, name="images")} == inputs
    assert ["probabilities"] == list(outputs)
    assert (tf.float32, [None, 3]) == (
        outputs["probabilities"].dtype,
        outputs["probabilities"].shape.as_list(),
    )


def test_softmax_is_inside(network, data, tmp_path):
    """Every row is a distribution."""
    export(network, tmp_path)

    _model, serve = signature(tmp_path)
    rows = serve(images=tf.constant(data.test.images))["probabilities"].numpy()
    assert pytest.approx(np.ones(30), abs=1e-6) == rows.sum(axis=1)
    assert rows.min() >= 0


@pytest.mark.parametrize("name", ["softmax", "compact"])
def test_a_right_export_passes(recipe, data, tmp_path, name):
    """Dense, convolution, batch norm and dropout answer as Keras does at every batch size."""
    network = build(recipe(name), (28, 28, 1), 3)
    export(network, tmp_path)

    compare(network, tmp_path, data.test.images)
    assert (1, 2, 7, 64) == BATCH_SIZES


def test_other_weights_are_found_out(network, data, tmp_path):
    """A weight that is off by a thousandth shows."""
    export(network, tmp_path)
    network.layers[-1].kernel.assign_add(np.full((784, 3), [1e-3, 0, 0], np.float32))

    with pytest.raises(ComparisonError, match=r"at batch size 1 the export's .* are off by 0\.\d"):
        compare(network, tmp_path, data.test.images)


def test_weights_that_are_no_numbers_are_found_out(network, data, tmp_path):
    """NaN equals nothing, itself included."""
    network.layers[-1].bias.assign([np.nan, 0.0, 0.0])
    export(network, tmp_path)

    with pytest.raises(ComparisonError, match="off by nan"):
        compare(network, tmp_path, data.test.images)


def test_another_shape_is_found_out(network, recipe, data, tmp_path):
    """A network with another number of classes cannot stand in."""
    export(build(recipe("softmax"), (28, 28, 1), 4), tmp_path)

    expected = r"at batch size 1 the export gives shape \(1, 4\), Keras \(1, 3\)"
    with pytest.raises(ComparisonError, match=expected):
        compare(network, tmp_path, data.test.images)


def test_an_answer_that_depends_on_the_batch_is_found_out(network, data, tmp_path):
    """A first image that is right does not vouch for the seventh."""

    class Forgetful(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 28, 28, 1), tf.uint8, name="images")])
        def serve(self, images):
            answers = tf.nn.softmax(network(images, training=False))
            first = tf.range(tf.shape(images)[0])[:, None] < 2
            return {"probabilities": tf.where(first, answers, 0.0)}

    model = Forgetful()
    model.network = network
    tf.saved_model.save(model, str(tmp_path), signatures={"serving_default": model.serve})

    with pytest.raises(ComparisonError, match="at batch size 7 "):
        compare(network, tmp_path, data.test.images)
