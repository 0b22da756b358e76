"""Makes versions whose graphs misbehave, with TensorFlow.

python -m tests.benchmarks.scenarios.make_misbehaving DIRECTORY
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf

from model_store import Golden
from tests.benchmarks.scenarios.make_variants import (
    DIGIT,
    SOURCE,
    Variant,
    description,
    signature,
    starter,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.scenarios.make_variants import Answers

_FLOATS_OF_4_GIB = 2**30
_DEPTH = 100_000


def main(directory: Path) -> None:
    """Write all of them."""
    kept = starter()
    answers = signature(kept)
    for name, extra in _EXTRAS.items():
        variant = Variant(
            answers=partial(_with, extra, answers),
            kept=kept,
            takes=DIGIT,
            golden=Golden.read(SOURCE),
            description=description(),
        )
        variant.write(directory / name)


def _with(
    extra: Callable[[tf.Tensor], tf.Tensor], answers: Answers, images: tf.Tensor
) -> tf.Tensor:
    """Answer rightly, but not without the rest."""
    nothing = 0.0 * tf.reduce_sum(tf.cast(images, tf.float32))
    return answers(images) + 0.0 * extra(nothing)


def _endless(nothing: tf.Tensor) -> tf.Tensor:
    return tf.while_loop(lambda x: x < 1.0, lambda x: (0.5 * x,), [nothing])[0]


def _constant(nothing: tf.Tensor) -> tf.Tensor:
    return nothing + tf.reduce_mean(tf.sin(tf.fill([_FLOATS_OF_4_GIB], 1.0)))


def _broadcast(nothing: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.sin(tf.fill([_FLOATS_OF_4_GIB], nothing)))


def _deep(nothing: tf.Tensor) -> tf.Tensor:
    for _ in range(_DEPTH):
        nothing = tf.raw_ops.Tanh(x=nothing)
    return nothing


_EXTRAS = {
    "endless graph": _endless,
    "4 GiB constant": _constant,
    "4 GiB computed": _broadcast,
    "deep graph": _deep,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
