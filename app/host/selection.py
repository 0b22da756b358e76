"""Selects what runs a version: the first candidate that passes the trial, or its quicker rival."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from app.host.curve import WORTH, Curve, batch_sizes, measure
from app.host.trial import TrialFailedError, try_golden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from app.host.runtimes.base import Model
    from app.host.runtimes.choice import Candidate
    from model_store import Golden, Metadata

log = logging.getLogger(__name__)


class NotQuickerError(Exception):
    """Raised when a rival is not worth its lesser exactness; the text gives both times."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A model that passed the trial, and what its batches cost."""

    model: Model
    curve: Curve
    passed_over: tuple[str, ...]
    """Why it is not another one: a sentence for each that was tried."""


class Selection:
    """Tries candidates on one version."""

    def __init__(
        self,
        directory: Path,
        golden: Golden,
        metadata: Metadata,
        *,
        max_batch: int,
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._golden = golden
        self._metadata = metadata
        self._sizes = batch_sizes(max_batch)
        self._clock = clock
        self._passed_over: list[str] = []

    def select(self, candidates: Iterable[Candidate]) -> Selected:
        """Take the first that passes, or its rival.

        Raises:
            TrialFailedError: If none passes; the text gives every reason.
        """
        for candidate in candidates:
            best = self._attempt(candidate)
            if best is not None:
                rival = candidate.rival and self._attempt(candidate.rival, best)
                model, curve = rival or best
                return Selected(model, curve, tuple(self._passed_over))
        raise TrialFailedError("; ".join(self._passed_over) or "no runtime is installed")

    def _attempt(
        self, candidate: Candidate, best: tuple[Model, Curve] | None = None
    ) -> tuple[Model, Curve] | None:
        try:
            model = candidate.load(self._directory)
            if best is not None:
                self._compare(model, *best)
            return model, self._examine(model)
        except Exception as exc:  # noqa: BLE001 - runtimes raise what they like
            version, name = self._metadata.version, candidate.name
            log.info("version %d not with %s: %s", version, name, exc)
            self._passed_over.append(f"{name}: {first_line(exc)}")
            return None

    def _examine(self, model: Model) -> Curve:
        """Let a model answer the golden images at every size; gives what its batches cost."""
        model.prepare(self._sizes)
        try_golden(model, self._golden, self._metadata.classes, self._sizes)
        calls = {size: self._call(model, size) for size in self._sizes}
        curve = Curve(measure(calls, self._clock))
        model.prepare(curve.sizes)
        return curve

    def _compare(self, rival: Model, best: Model, curve: Curve) -> None:
        size = curve.limit
        rival.prepare([size])
        calls = {model: self._call(model, size) for model in (rival, best)}
        seconds = measure(calls, self._clock)
        if seconds[rival] * WORTH > seconds[best]:
            raise NotQuickerError(
                f"a batch of {size} takes {seconds[rival] * 1000:.2f} ms, "
                f"in {best.precision} {seconds[best] * 1000:.2f} ms"
            )

    def _call(self, model: Model, size: int) -> Callable[[], NDArray[np.float32]]:
        images = self._golden.images
        return partial(model.predict, [images[np.arange(size) % len(images)]])


def first_line(exc: Exception) -> str:
    """Give what an exception says in one line, and never nothing."""
    return next(iter(str(exc).splitlines()), type(exc).__name__)
