"""Fitting: seeds, steps, batches and averaged weights."""

from __future__ import annotations

from itertools import chain

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.data.dataset import Split
from training.fitting import batches, fit, settle_batch_norm
from training.networks import build
from training.recipes import Optimizer


class Counter(keras.callbacks.Callback):
    """Counts batches, and notes the rate at the end of the fit."""

    def __init__(self):
        super().__init__()
        self.steps = 0
        self.rate = None

    def on_train_batch_end(self, batch, logs=None):
        """Count."""
        del batch, logs
        self.steps += 1

    def on_train_end(self, logs=None):
        """Note the rate."""
        del logs
        self.rate = float(self.model.optimizer.learning_rate)


def numbered(n: int) -> Split:
    """Return images that carry their index in the first pixel."""
    images = np.zeros((n, 28, 28, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(n)
    return Split(images, np.zeros(n, np.int64), "a test")


def fitted(recipe, data, seed: int, *callbacks) -> list[np.ndarray]:
    keras.utils.set_random_seed(seed)
    network = build(recipe, (28, 28, 1), 3)
    fit(network, recipe, data.train, data.test, callbacks)
    return network.get_weights()


def test_the_same_seed_gives_the_same_weights(recipe, data):
    """Start, order and everything else that is random hang on the seed, to the bit."""
    short = recipe("softmax", epochs=2)

    first, again, other = (fitted(short, data, seed) for seed in (1, 1, 2))

    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("steps", [1, 25])
def test_the_steps_asked_for_are_taken(recipe, data, steps):
    """Neither a round nor a pass more, whatever the number."""
    counter = Counter()
    fitted(recipe("softmax", steps=steps, epochs=None, batch_size=50), data, 0, counter)

    assert steps == counter.steps


def test_epochs_take_the_smaller_last_batch_along(recipe, data):
    """120 images in batches of 50 are three steps."""
    counter = Counter()
    fitted(recipe("softmax", epochs=2, batch_size=50), data, 0, counter)

    assert 6 == counter.steps


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Optimizer(name="sgd", rate=0.5), 0.5),
        (Optimizer(name="adam", rate=0.1, schedule="cosine", warmup_share=0.5), 0.0),
    ],
    ids=["constant", "warm-up and cosine"],
)
def test_the_rate_ends_where_it_should(recipe, data, optimizer, expected):
    """A cosine reaches zero with the last step."""
    counter = Counter()
    fitted(recipe("softmax", epochs=2, optimizer=optimizer), data, 0, counter)

    assert pytest.approx(expected, abs=1e-6) == counter.rate


def test_the_history_has_a_value_per_round(recipe, data):
    """Training and validation are both there, and the bars are learnt."""
    short = recipe("softmax", epochs=8, batch_size=10)
    history = fit(build(short, (28, 28, 1), 3), short, data.train, data.test, [])

    assert {"loss", "accuracy", "val_loss", "val_accuracy"} == history.keys()
    assert {8} == {len(values) for values in history.values()}
    assert history["val_accuracy"][-1] > 0.9


def test_every_image_comes_once_per_pass(recipe):
    """Batches are shuffled anew for every pass, and none is lost to a batch's size."""
    stream = batches(recipe("softmax", batch_size=8), numbered(20)).take(6)
    seen = [images[:, 0, 0, 0].numpy().tolist() for images, _ in stream]

    assert [8, 8, 4, 8, 8, 4] == [len(batch) for batch in seen]
    first, second = [*chain(*seen[:3])], [*chain(*seen[3:])]
    assert list(range(20)) == sorted(first) == sorted(second)
    assert first != second


def test_batches_by_steps_are_all_full(recipe):
    """The tutorial's batches go on across passes."""
    stream = batches(recipe("tutorial-softmax", batch_size=8), numbered(20)).take(5)
    seen = [images[:, 0, 0, 0].numpy().tolist() for images, _ in stream]

    assert [8] * 5 == [len(batch) for batch in seen]
    assert [2] * 20 == np.bincount([*chain(*seen)]).tolist()


def test_augmented_batches_stay_bytes(recipe):
    """The warp is between the shuffle and the network, and labels come along."""
    images, labels = next(iter(batches(recipe("compact", batch_size=4), numbered(8))))

    assert (tf.uint8, (4, 28, 28, 1), (4,)) == (images.dtype, images.shape, labels.shape)


def test_settling_measures_batch_norm_anew():
    """Statistics become those of the data, and momentum is what it was."""
    norm = keras.layers.BatchNormalization(momentum=0.5)
    values = keras.Input((2,))
    network = keras.Model(values, norm(values))
    rows = np.random.default_rng(0).normal((3.0, -5.0), (1.0, 2.0), (512, 2)).astype(np.float32)
    stream = tf.data.Dataset.from_tensor_slices((rows, rows[:, 0])).batch(64).repeat()

    settle_batch_norm(network, stream)

    assert pytest.approx([3.0, -5.0], abs=0.3) == norm.moving_mean.numpy()
    assert pytest.approx([1.0, 4.0], rel=0.2) == norm.moving_variance.numpy()
    assert 0.5 == norm.momentum


def test_averaged_weights_are_what_stays(recipe, data):
    """The average lags behind the fit, but a short fit's does not hold on to the start."""
    short = recipe("softmax", epochs=6, batch_size=10)
    keras.utils.set_random_seed(0)
    start = build(short, (28, 28, 1), 3).get_weights()[0]

    plain = fitted(short, data, 0)[0]
    averaged = fitted(short.model_copy(update={"average_decay": 0.999}), data, 0)[0]

    assert 0 < np.abs(averaged - plain).mean() < 0.2 * np.abs(plain - start).mean()
