"""Fits a network to images as a recipe says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from training.augment import warp
from training.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.data.dataset import Split
    from training.recipes import Recipe

_SETTLING_STEPS = 400
_SETTLING_MOMENTUM = 0.99


def fit(
    network: keras.Model,
    recipe: Recipe,
    train: Split,
    validation: Split,
    callbacks: Sequence[keras.callbacks.Callback],
) -> dict[str, list[float]]:
    """Train the network in place.

    Returns:
        The history: measure -> its value after every round.
    """
    schedule = Schedule.of(recipe, len(train))
    network.compile(
        optimizer=_optimizer(recipe, schedule),
        # Softmax and logarithm in one: on raw pixels the two apart overflow.
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    held_out = (validation.images, validation.labels) if len(validation) else None
    history = network.fit(
        batches(recipe, train),
        epochs=schedule.rounds,
        steps_per_epoch=schedule.steps_per_round,
        validation_data=held_out,
        validation_batch_size=500,
        callbacks=[_StopAfter(schedule.steps), *callbacks],
        shuffle=False,  # the batches are
        verbose=0,
    )
    if recipe.average_decay is not None:
        settle_batch_norm(network, batches(recipe, train))
    return {name: [float(v) for v in values] for name, values in history.history.items()}


def batches(recipe: Recipe, train: Split) -> tf.data.Dataset:
    """Shuffle, batch and augment without end; every image comes once per pass."""
    passes = tf.data.Dataset.from_tensor_slices((train.images, train.labels))
    passes = passes.shuffle(len(train), reshuffle_each_iteration=True)
    if recipe.steps is None:
        stream = passes.batch(recipe.batch_size).repeat()
    else:
        stream = passes.repeat().batch(recipe.batch_size)  # batches go on across passes
    ranges = recipe.augment
    if ranges is not None:
        stream = stream.map(lambda images, labels: (warp(images, ranges), labels))
    return stream.prefetch(4)


def settle_batch_norm(network: keras.Model, stream: tf.data.Dataset) -> None:
    """Measure batch-norm statistics anew, since averaged weights give other activations."""
    norms = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = _SETTLING_MOMENTUM
    forward = tf.function(lambda images: network(images, training=True))
    for images, _ in stream.take(_SETTLING_STEPS):
        forward(images)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


class _StopAfter(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """Ends the fit inside its last round."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras passes them by name
        self._left -= 1
        self.model.stop_training = self._left == 0


def _optimizer(recipe: Recipe, schedule: Schedule) -> keras.optimizers.Optimizer:
    options: dict[str, Any] = {"learning_rate": _rate(recipe, schedule)}
    if recipe.average_decay is not None:
        # In a short fit, a slow average would still hold the weights of the start.
        decay = min(recipe.average_decay, max(0.0, 1 - 10 / schedule.steps))
        options |= {"use_ema": True, "ema_momentum": decay}
    kinds = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
    return kinds[recipe.optimizer.name](**options)


def _rate(
    recipe: Recipe, schedule: Schedule
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    rate = recipe.optimizer.rate
    if recipe.optimizer.schedule == "constant":
        return rate
    warmup = int(schedule.steps * recipe.optimizer.warmup_share)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else rate,
        decay_steps=schedule.steps - warmup,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
    )
