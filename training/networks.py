"""The networks. Each takes uint8 images of (rows, columns, channels) and gives logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

if TYPE_CHECKING:
    from training.recipes import Recipe


def build(recipe: Recipe, shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Build a recipe's network; scaling is its first layer, so that no caller can get it wrong."""
    images = keras.Input(shape, dtype="uint8", name="images")
    pixels = layers.Rescaling(recipe.scale, name="scale")(images)
    body = {"softmax": _softmax, "cnn": _cnn, "compact": _compact}[recipe.network]
    logits = body(pixels, classes, zero_weights=recipe.zero_weights)
    return keras.Model(images, logits, name=recipe.network)


def _softmax(x: keras.KerasTensor, classes: int, *, zero_weights: bool) -> keras.KerasTensor:
    weights = "zeros" if zero_weights else "glorot_uniform"
    return layers.Dense(classes, kernel_initializer=weights, name="logits")(layers.Flatten()(x))


def _cnn(x: keras.KerasTensor, classes: int, *, zero_weights: bool) -> keras.KerasTensor:
    """Build the tutorial's network: its weights start with deviation 0.1, its biases at 0.1."""
    del zero_weights
    start = {
        "kernel_initializer": keras.initializers.TruncatedNormal(stddev=0.1),
        "bias_initializer": keras.initializers.Constant(0.1),
    }
    for filters in (32, 64):
        x = layers.Conv2D(filters, 5, padding="same", activation="relu", **start)(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(1024, activation="relu", **start)(layers.Flatten()(x))
    return layers.Dense(classes, name="logits", **start)(layers.Dropout(0.5)(x))


def _compact(x: keras.KerasTensor, classes: int, *, zero_weights: bool) -> keras.KerasTensor:
    """Stack 3x3 convolutions with batch norm, halve twice, average over the last map."""
    del zero_weights
    for block, filters in enumerate((24, 48, 88)):
        if block:
            x = layers.MaxPooling2D(2)(x)
        x = _conv(x, filters, stride=2 if block == 0 else 1)
        x = _conv(x, filters)
    return layers.Dense(classes, name="logits")(layers.GlobalAveragePooling2D()(x))


def _conv(x: keras.KerasTensor, filters: int, stride: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
