"""Runs a SavedModel with TensorFlow: the reference, and the way to a GPU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read by TensorFlow when it is imported

import tensorflow as tf

from app.host.runtimes.base import RuntimeUnavailableError, padded_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class TensorFlowModel:
    """A SavedModel's serving signature as one concrete function."""

    runtime = "tensorflow"
    precision = "f32"

    def __init__(self, version: Path, *, threads: int, max_batch: int) -> None:
        """Load the SavedModel.

        Raises:
            RuntimeUnavailableError: If it cannot be loaded or has no `serving_default` signature.
        """
        _set_threads(threads)
        self._max_batch = max_batch
        try:
            self._loaded = tf.saved_model.load(str(version))  # owns the variables
            self._signature = self._loaded.signatures["serving_default"]
        except (OSError, ValueError, KeyError, tf.errors.OpError) as exc:
            problem = str(exc).strip().splitlines()[0]
            raise RuntimeUnavailableError(f"TensorFlow cannot load it: {problem}") from exc

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify images of shape (n, rows, columns, channels); gives (n, classes)."""
        n = len(images)
        size = padded_size(n, self._max_batch)
        if size != n:
            images = np.concatenate([images, np.zeros((size - n, *images.shape[1:]), np.uint8)])
        output: NDArray[np.float32] = self._signature(images=tf.constant(images))[
            "probabilities"
        ].numpy()
        return output[:n]


def _set_threads(threads: int) -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return  # a version was loaded before, and the counts are for the whole process
