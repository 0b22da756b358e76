"""Shows a fit while it runs: a bar on a terminal, a line per round elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click
import keras
from tqdm import tqdm

if TYPE_CHECKING:
    from training.recipes import Recipe


class Progress(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """Counts steps, and prints the measures after every round."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._steps = recipe.steps
        self._done = 0
        self._bar: tqdm[NoReturn] | None = None

    def on_train_begin(self, _logs: dict[str, Any] | None = None) -> None:
        """Open the bar; it hides itself where there is no terminal."""
        total = self._steps or self.params["epochs"] * self.params["steps"]
        self._bar = tqdm(total=total, unit="step", disable=None, dynamic_ncols=True)

    def on_train_batch_end(self, _batch: int, logs: dict[str, Any] | None = None) -> None:
        """Advance the bar."""
        self._done += 1
        if self._bar is not None and not self._bar.disable:
            self._bar.set_postfix(_measures(logs or {}), refresh=False)
            self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print a line above the bar."""
        where = f"step {self._done}"
        if self._steps is None:
            where = f"epoch {epoch + 1}/{self.params['epochs']}"
        measures = ", ".join(f"{name} {value}" for name, value in _measures(logs or {}).items())
        if self._bar is not None:
            with self._bar.external_write_mode():
                click.echo(f"{where}: {measures}")

    def close(self) -> None:
        """Leave the terminal tidy, however the fit ended."""
        if self._bar is not None:
            self._bar.close()


def _measures(logs: dict[str, Any]) -> dict[str, str]:
    names = {
        "loss": "loss",
        "accuracy": "training accuracy",
        "val_loss": "validation loss",
        "val_accuracy": "validation accuracy",
    }
    return {names[key]: f"{value:.4f}" for key, value in logs.items() if key in names}
