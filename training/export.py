"""Writes a network as a SavedModel and makes sure that it answers as Keras does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from training.errors import ComparisonError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BATCH_SIZES = (1, 2, 7, 64)
RULE = "the export agrees with Keras within 1e-5 at batch sizes 1, 2, 7 and 64"
_TOLERANCE = 1e-5


def export(network: keras.Model, directory: Path) -> None:
    """Write a SavedModel whose signature takes uint8 `images` and gives `probabilities`.

    It holds the function and its variables only. Keras' own ExportArchive tracks the layers as
    well, and with them stores every variable twice (Keras 3.15).
    """
    images = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8, name="images")

    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(network(images, training=False))}

    module = tf.Module()
    module.variables_of_network = [variable.value for variable in network.variables]
    module.serve = tf.function(serve, input_signature=[images], autograph=False)
    tf.saved_model.save(module, str(directory), signatures={"serving_default": module.serve})


def compare(network: keras.Model, directory: Path, images: NDArray[np.uint8]) -> None:
    """Reload the SavedModel and compare it with Keras at several batch sizes.

    Raises:
        ComparisonError: At the first batch size where they differ.
    """
    signature = tf.saved_model.load(str(directory)).signatures["serving_default"]
    for size in BATCH_SIZES:
        part = np.resize(images, (size, *images.shape[1:]))
        expected = keras.ops.softmax(network(part, training=False)).numpy()
        found = signature(images=tf.constant(part))["probabilities"].numpy()
        if found.shape != expected.shape:
            shapes = f"{found.shape}, Keras {expected.shape}"
            raise ComparisonError(f"at batch size {size} the export gives shape {shapes}")
        off = float(np.abs(found - expected).max())
        if not off <= _TOLERANCE:
            problem = f"probabilities are off by {off:.2g} from Keras; {_TOLERANCE:g} is allowed"
            raise ComparisonError(f"at batch size {size} the export's {problem}")
