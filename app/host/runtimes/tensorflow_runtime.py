"""Runs a SavedModel with TensorFlow: the reference, and the runtime for GPUs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read by TensorFlow when it is imported

import tensorflow as tf

from app.host.runtimes.base import RuntimeMemoryError, RuntimeUnavailableError, fill, padded_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class _Prepared(NamedTuple):
    """One batch size: the signature traced for it, and the input memory of each stream.

    A thread takes the memory out while it predicts.
    """

    function: Callable[[tf.Tensor], tf.Tensor]
    free: list[NDArray[np.uint8]]


class TensorFlowModel:
    """A SavedModel's serving signature, traced for each prepared batch size.

    Fixed shapes make a call cheaper than the signature itself; XLA, or variables turned into
    constants, did not.
    """

    runtime = "tensorflow"
    precision = "f32"

    def __init__(self, version: Path, *, threads: int, streams: int = 1) -> None:
        """Load the SavedModel.

        Args:
            version: Its directory.
            threads: How many compute one batch.
            streams: How many threads may predict at the same time.

        Raises:
            RuntimeMemoryError: If there is too little memory for it.
            RuntimeUnavailableError: If it cannot be loaded or has no `serving_default` signature.
        """
        self._streams = streams
        _set_threads(threads, streams)
        try:
            self._loaded = tf.saved_model.load(str(version))  # owns the variables
            self._signature = self._loaded.signatures["serving_default"]
        except tf.errors.ResourceExhaustedError as exc:
            raise RuntimeMemoryError("TensorFlow has too little memory to load it") from exc
        except (OSError, ValueError, KeyError, tf.errors.OpError) as exc:
            problem = str(exc).strip().splitlines()[0]
            raise RuntimeUnavailableError(f"TensorFlow cannot load it: {problem}") from exc
        self._sizes: list[int] = []
        self._prepared: dict[int, _Prepared] = {}

    def prepare(self, sizes: Sequence[int]) -> None:
        """Trace for these batch sizes, and release all others."""
        self._prepared = {size: self._prepared.get(size) or self._trace(size) for size in sizes}
        self._sizes = list(sizes)

    def predict(self, parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the probabilities of the images of all parts; shape (images, classes)."""
        n = sum(map(len, parts))
        function, free = self._prepared[padded_size(n, self._sizes)]
        images = free.pop()
        try:
            fill(images[:n], parts)
            output: NDArray[np.float32] = function(tf.constant(images)).numpy()
        except tf.errors.ResourceExhaustedError as exc:
            raise RuntimeMemoryError("TensorFlow has too little memory for a batch") from exc
        finally:
            free.append(images)
        return output[:n]

    def _trace(self, size: int) -> _Prepared:
        images = self._signature.structured_input_signature[1]["images"]
        shape = (size, *images.shape[1:])
        function = tf.function(
            lambda images: self._signature(images=images)["probabilities"], autograph=False
        )
        traced = function.get_concrete_function(tf.TensorSpec(shape, images.dtype))
        return _Prepared(traced, [np.zeros(shape, np.uint8) for _ in range(self._streams)])


def _set_threads(threads: int, streams: int) -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(streams)
    except RuntimeError:
        return  # a version was loaded before, and the counts are for the whole process
