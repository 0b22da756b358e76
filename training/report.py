"""The pictures beside a version: how it was fitted, what it confuses, what it sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from training.image_grid import draw_image_grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.data.dataset import ImageData
    from training.evaluation import Evaluation

_INPUTS = 40
_MISTAKES = 24
_NAME_LETTERS = 15
_FLOOR = 1e-5
"""A perfect fit is drawn here, since a logarithm cannot show 0."""
_DPI = 110


def write_report(
    directory: Path,
    network: keras.Model,
    history: dict[str, list[float]],
    evaluation: Evaluation,
    data: ImageData,
) -> None:
    """Draw everything that applies to the network into a directory."""
    directory.mkdir()
    classes = data.classes
    figures = {
        "inputs": _inputs(data),
        "curves": _curves(history),
        "confusion": _confusion(evaluation.confusion(), classes),
        "mistakes": _mistakes(evaluation, classes),
        "filters": _filters(network, classes),
    }
    if _first(network, keras.layers.Conv2D) is not None:
        figures["feature_maps"] = _feature_maps(network, evaluation.test.images[0])
    for name, figure in figures.items():
        figure.savefig(directory / f"{name}.png", dpi=_DPI, bbox_inches="tight")


def _inputs(data: ImageData) -> Figure:
    """Show images of every class as the network sees them."""
    labels = data.train.labels
    first = [np.flatnonzero(labels == label) for label in range(len(data.classes))]
    each = max(1, _INPUTS // len(first))
    places = np.concatenate([found[:each] for found in first])[:_INPUTS]
    short = _short(data.classes)
    tiles = data.train.images[places].astype(np.float32).mean(axis=3)
    names = [short[labels[place]] for place in places]
    figure, axes = draw_image_grid(tiles, names, cmap="gray", vmin=0, vmax=255)
    how = data.preparation.kind if data.preparation is not None else "pixels as they came"
    axes.set_title(f"What the network sees of the data; preparation: {how}")
    return figure


def _curves(history: dict[str, list[float]]) -> Figure:
    """Show loss and error on logarithmic scales, on which late progress can be seen, too."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        rounds = len(history[measure])
        for key, label in ((measure, "training"), (f"val_{measure}", "validation")):
            if key in history:
                values = np.array(history[key])
                values = np.maximum(values if measure == "loss" else 1 - values, _FLOOR)
                axes.plot(np.arange(1, rounds + 1), values, label=label, marker=".")
        axes.set(title="loss" if measure == "loss" else "share of mistakes", xlabel="round")
        axes.set_xlim(0.5, rounds + 0.5)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(which="both", alpha=0.3)
        axes.legend()
    return figure


def _confusion(confusion: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    side = max(5.6, 0.3 * len(classes))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    mistakes = confusion * (1 - np.eye(len(classes), dtype=np.int64))
    most = max(1, int(mistakes.max()))
    axes.imshow(mistakes, cmap="OrRd", vmin=0, vmax=1.3 * most)
    ticks = np.arange(len(classes))
    axes.set_xticks(ticks, classes, rotation=0 if max(map(len, classes)) <= 2 else 90)  # noqa: PLR2004
    axes.set_yticks(ticks, classes)
    right = f"{np.trace(confusion):,} of {confusion.sum():,} test images right"
    axes.set(title=f"{right}; shading shows mistakes", xlabel="predicted", ylabel="true")
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            weight = "bold" if row == column else "normal"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, weight=weight)
    return figure


def _mistakes(evaluation: Evaluation, classes: Sequence[str]) -> Figure:
    """Show the test images whose true class got the least probability."""
    labels, predicted = evaluation.test.labels, evaluation.predicted
    of_truth = evaluation.probabilities[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(of_truth[wrong], kind="stable")][:_MISTAKES]
    short = _short(classes)
    arrow = " → " if max(map(len, short)) <= _NAME_LETTERS // 3 else "\n→ "
    names = [f"{short[labels[i]]}{arrow}{short[predicted[i]]}" for i in worst]
    tiles = evaluation.test.images[worst].astype(np.float32).mean(axis=3)
    figure, axes = draw_image_grid(tiles, names, cmap="gray_r", vmin=0, vmax=255)
    axes.set_title(f"{len(wrong):,} mistakes in {len(labels):,}; the worst: true → predicted")
    return figure


def _short(classes: Sequence[str]) -> list[str]:
    return [name if len(name) <= _NAME_LETTERS else f"{name[:_NAME_LETTERS]}…" for name in classes]


def _filters(network: keras.Model, classes: Sequence[str]) -> Figure:
    """Show what the first layer with weights looks for."""
    convolution = _first(network, keras.layers.Conv2D)
    if convolution is not None:
        names: Sequence[str] = ()
        tiles = np.moveaxis(convolution.kernel.numpy()[:, :, 0, :], -1, 0)
    else:  # of softmax regression, one image per class
        kernel = _first(network, keras.layers.Dense).kernel.numpy()
        names = classes if kernel.shape[1] == len(classes) else ()
        tiles = kernel.T.reshape(-1, *network.input_shape[1:])[..., 0]
    reach = float(np.abs(tiles).max())
    figure, axes = draw_image_grid(tiles, names, cmap="RdBu", vmin=-reach, vmax=reach)
    axes.set_title("Weights of the first layer")
    figure.colorbar(axes.images[0], ax=axes, shrink=0.8, pad=0.01)
    return figure


def _feature_maps(network: keras.Model, image: NDArray[np.uint8]) -> Figure:
    """Show an image, and what is left of it after the first layer and its ReLU."""
    layer = _first(network, keras.layers.ReLU) or _first(network, keras.layers.Conv2D)
    maps = keras.Model(network.input, layer.output)(image[np.newaxis]).numpy()[0]
    maps = np.moveaxis(maps, -1, 0)
    rows, columns = image.shape[:2]
    factor = -(-rows // maps.shape[1])
    maps = maps.repeat(factor, 1).repeat(factor, 2)[:, :rows, :columns]
    most = float(maps.max())
    seen = image[..., 0] * (most / 255)
    figure, axes = draw_image_grid(np.stack([seen, *maps]), (), cmap="magma", vmin=0, vmax=most)
    axes.set_title("A test image, and the first layer's answers to it")
    return figure


def _first(network: keras.Model, kind: type[keras.layers.Layer]) -> Any:
    return next((layer for layer in network.layers if isinstance(layer, kind)), None)
