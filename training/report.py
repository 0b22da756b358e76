"""The pictures beside a version: how it was fitted, what it confuses, what it sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.evaluation import Evaluation

_MISTAKES = 24
_COLUMNS = 8
_DPI = 110


def write_report(
    directory: Path,
    network: keras.Model,
    history: dict[str, list[float]],
    evaluation: Evaluation,
    classes: Sequence[str],
) -> None:
    """Draw everything that applies to the network into a directory."""
    directory.mkdir()
    figures = {
        "curves": _curves(history),
        "confusion": _confusion(evaluation.confusion(), classes),
        "mistakes": _mistakes(evaluation, classes),
    }
    first = next((x for x in network.layers if isinstance(x, keras.layers.Conv2D)), None)
    if first is not None:
        figures["filters"] = _tiles(
            first.kernel.numpy()[:, :, 0, :], "First layer: filters", "RdBu"
        )
        seen = keras.Model(network.input, first.output)(evaluation.test.images[:1]).numpy()[0]
        figures["feature_maps"] = _tiles(seen, "First layer: what it makes of a digit", "viridis")
    for name, figure in figures.items():
        figure.savefig(directory / f"{name}.png", dpi=_DPI)


def _curves(history: dict[str, list[float]]) -> Figure:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for key, label in ((measure, "training"), (f"val_{measure}", "validation")):
            if key in history:
                rounds = np.arange(1, len(history[key]) + 1)
                axes.plot(rounds, history[key], label=label, marker=".")
        axes.set(title=measure, xlabel="round")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def _confusion(confusion: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.subplots()
    mistakes = confusion * (1 - np.eye(len(classes), dtype=np.int64))
    axes.imshow(mistakes, cmap="OrRd")
    ticks = np.arange(len(classes))
    axes.set_xticks(ticks, classes, rotation=0 if max(map(len, classes)) <= 2 else 90)  # noqa: PLR2004
    axes.set_yticks(ticks, classes)
    axes.set(title="Test images; shading shows mistakes", xlabel="predicted", ylabel="true")
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            dark = row != column and count > 0.6 * mistakes.max()
            colour = "white" if dark else "black"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    return figure


def _mistakes(evaluation: Evaluation, classes: Sequence[str]) -> Figure:
    """Show the test images whose true class got the least probability."""
    of_truth = evaluation.probabilities[np.arange(len(evaluation.test)), evaluation.test.labels]
    wrong = np.flatnonzero(evaluation.predicted != evaluation.test.labels)
    worst = wrong[np.argsort(of_truth[wrong])][:_MISTAKES]
    rows = max(1, -(-len(worst) // _COLUMNS))
    figure = Figure(figsize=(_COLUMNS, 1.35 * rows + 0.4), layout="constrained")
    figure.suptitle(f"{len(wrong)} mistakes in {len(evaluation.test)}; the worst: true → predicted")
    for axes, index in zip(figure.subplots(rows, _COLUMNS).flat, worst, strict=False):
        axes.imshow(evaluation.test.images[index, ..., 0], cmap="gray_r", vmin=0, vmax=255)
        labels = evaluation.test.labels[index], evaluation.predicted[index]
        axes.set_title(" → ".join(classes[label] for label in labels), fontsize=9)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure


def _tiles(maps: NDArray[np.float32], title: str, colours: str) -> Figure:
    """Show the last axis of an array as small images."""
    n = maps.shape[-1]
    rows = -(-n // _COLUMNS)
    figure = Figure(figsize=(_COLUMNS, rows + 0.4), layout="constrained")
    figure.suptitle(title)
    for index, axes in enumerate(figure.subplots(rows, _COLUMNS, squeeze=False).flat):
        axes.set_axis_off()
        if index < n:
            axes.imshow(maps[..., index], cmap=colours)
    return figure
