"""Makes variants of the starter with TensorFlow, which nothing else here needs to import.

python -m tests.benchmarks.scenarios.make_variants DIRECTORY

Each becomes a directory with a SavedModel, golden images and description.json.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read by TensorFlow when it is imported

import tensorflow as tf

from model_store import Description, Golden, InputSpec, ModelStore, OutputSpec
from model_store.operations.starter import STARTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DESCRIPTION = "description.json"
SOURCE = STARTER / "mnist" / "1"
_INK = 255
DIGIT = (28, 28, 1)
_SHAPES, _SHAPE = ("circle", "square", "star", "triangle", "cross"), (32, 32, 3)


Answers = Callable[[tf.Tensor], tf.Tensor]
"""Takes uint8 images, gives probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A version to be written."""

    answers: Answers
    kept: object
    """Owns the variables."""
    takes: tuple[int, int, int]
    """Rows, columns, channels of an image, whatever the description says."""
    golden: Golden
    description: Description

    def write(self, directory: Path) -> None:
        """Write the SavedModel and what belongs to it."""
        module = tf.Module()
        module.kept = self.kept
        module.serve = tf.function(
            lambda images: {"probabilities": self.answers(images)},
            input_signature=[tf.TensorSpec((None, *self.takes), tf.uint8, name="images")],
            autograph=False,
        )
        tf.saved_model.save(module, str(directory), signatures={"serving_default": module.serve})
        self.golden.write(directory)
        (directory / DESCRIPTION).write_text(self.description.model_dump_json())


def main(directory: Path) -> None:
    """Write all variants."""
    for name, variant in [*_good(), *_bad(), *_endless(), *_of_shapes()]:
        variant.write(directory / name)


def _good() -> Iterator[tuple[str, Variant]]:
    kept = starter()
    answers = signature(kept)
    images = _half_marked(Golden.read(SOURCE).images)
    for by in range(3):
        turned = partial(_turned, answers, by)
        variant = Variant(
            answers=turned,
            kept=kept,
            takes=DIGIT,
            golden=_golden(turned, images),
            description=description(),
        )
        yield f"good-{by}", variant


def _bad() -> Iterator[tuple[str, Variant]]:
    """Make versions that do not give their golden answers, which are a good one's."""
    kept, broken = starter(), starter()
    answers = signature(kept)
    broken.variables_of_network[-1].assign(np.full(10, np.nan, np.float32))
    fields = {"golden": Golden.read(SOURCE), "description": description()}
    yield "nan", Variant(answers=signature(broken), kept=broken, takes=DIGIT, **fields)
    swapped = partial(_swapped, answers)
    yield "swapped-classes", Variant(answers=swapped, kept=kept, takes=DIGIT, **fields)
    cut = partial(_cut, answers)
    yield "wrong-shape", Variant(answers=cut, kept=kept, takes=(32, 32, 1), **fields)


def _endless() -> Iterator[tuple[str, Variant]]:
    """Make versions that give their golden answers and compute for ever: always, or on white."""
    kept = starter()
    answers = signature(kept)
    fields = {"golden": Golden.read(SOURCE), "description": description()}
    for name, condition in (("endless", _always), ("endless-on-white", _white)):
        endless = partial(_endless_if, answers, condition)
        yield name, Variant(answers=endless, kept=kept, takes=DIGIT, **fields)


def _of_shapes() -> Iterator[tuple[str, Variant]]:
    answers, kept = _shapes()
    images = np.random.default_rng(0).integers(0, 256, (64, *_SHAPE), np.uint8)
    fields = {
        "classes": _SHAPES,
        "input": InputSpec(name="images", dtype="uint8", shape=_SHAPE),
        "output": OutputSpec(name="probabilities", dtype="float32", shape=(len(_SHAPES),)),
    }
    for by in range(2):
        turned = partial(_turned, answers, by)
        variant = Variant(
            answers=turned,
            kept=kept,
            takes=_SHAPE,
            golden=_golden(turned, _half_marked(images)),
            description=description().model_copy(update=fields),
        )
        yield f"shapes-{by}", variant


def description() -> Description:
    """Return what the starter says of itself."""
    metadata = ModelStore(STARTER).metadata("mnist", 1)
    return Description(**{k: v for k, v in metadata if k in Description.model_fields})


def _half_marked(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put ink in the first corner of every other image."""
    images = images.copy()
    images[::2, 0, 0] = _INK
    return images


def _golden(answers: Answers, images: NDArray[np.uint8]) -> Golden:
    return Golden(images=images, probabilities=answers(images).numpy(), tolerance=0.01)


def starter() -> object:
    """Load the starter."""
    return tf.saved_model.load(str(SOURCE))


def signature(loaded: object) -> Answers:
    """Return what a loaded SavedModel answers."""
    serve = loaded.signatures["serving_default"]
    return lambda images: serve(images=tf.convert_to_tensor(images))["probabilities"]


def _turned(answers: Answers, by: int, images: tf.Tensor) -> tf.Tensor:
    """Move the probabilities of marked images on by some classes; leave those of others."""
    probabilities = answers(images)
    marked = tf.equal(images[:, 0, 0, :1], _INK)
    return tf.where(marked, tf.roll(probabilities, by, axis=1), probabilities)


def _swapped(answers: Answers, images: tf.Tensor) -> tf.Tensor:
    """Take fours for nines, and nines for fours."""
    return tf.gather(answers(images), [0, 1, 2, 3, 9, 5, 6, 7, 8, 4], axis=1)


def _always(_images: tf.Tensor) -> tf.Tensor:
    return tf.constant(value=True)


def _white(images: tf.Tensor) -> tf.Tensor:
    return tf.reduce_any(tf.reduce_all(tf.equal(images, _INK), axis=[1, 2, 3]))


def _endless_if(
    answers: Answers, condition: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor
) -> tf.Tensor:
    """Answer, but add nothing to the answer for ever where a condition holds."""
    holds = condition(images)
    (rounds,) = tf.while_loop(
        lambda done: tf.logical_or(holds, done < 1.0), lambda done: (done + 1.0,), [0.0]
    )
    return answers(images) + 0.0 * tf.minimum(rounds, 1.0)


def _cut(answers: Answers, images: tf.Tensor) -> tf.Tensor:
    """Ask about a part of larger images."""
    return answers(images[:, :28, :28])


def _shapes() -> tuple[Answers, object]:
    """Make a small network for coloured images; gives what must be kept as well."""
    rng = np.random.default_rng(0)
    kernel = tf.Variable(rng.normal(0, 0.3, (5, 5, 3, 8)).astype(np.float32))
    dense = tf.Variable(rng.normal(0, 0.5, (8, len(_SHAPES))).astype(np.float32))

    def answers(images: tf.Tensor) -> tf.Tensor:
        inked = tf.cast(images, tf.float32) / _INK
        found = tf.nn.relu(tf.nn.conv2d(inked, kernel, strides=4, padding="SAME"))
        return tf.nn.softmax(tf.reduce_mean(found, axis=(1, 2)) @ dense)

    return answers, [kernel, dense]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
