"""Selects the runtime of a version: the first that passes, or its faster alternative."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from app.host.batching.cost_model import MIN_SPEEDUP, BatchCostModel, batch_sizes, measure
from app.host.batching.loaded_version import RuntimePlan
from app.host.loading.golden_check import TrialFailedError, check_golden
from app.host.runtimes.base import RuntimeMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from app.host.runtimes.base import Model
    from app.host.runtimes.candidates import Candidate
    from model_store import Golden, Metadata

log = logging.getLogger(__name__)

_OF_THIS_MACHINE = (MemoryError, OSError, ImportError)
"""Failures of this machine: the version may be good elsewhere, whatever else failed."""


class NotFasterError(Exception):
    """Raised when an alternative is not fast enough to justify its lower precision."""


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
        self._passed_over: list[tuple[str, type[Exception]]] = []

    def select(
        self, candidates: Iterable[Candidate], like: RuntimePlan | None = None
    ) -> tuple[Model, RuntimePlan]:
        """Select the first candidate that passes, or its alternative.

        Args:
            candidates: Best first.
            like: Runtime plan of another version, reused if this one is alike and passes: a
                measurement beside the serving version takes long and is inaccurate.

        Raises:
            TrialFailedError: If none passes; the message has every reason.
        """
        runtimes = tuple(candidates)
        if like is not None and like.fits(self._metadata):
            model = self._follow(like, runtimes)
            if model is not None:
                return model, like
        if self._passed_over:
            log.info("measuring version %d again: %s", self._metadata.version, self._messages()[-1])
            self._passed_over.clear()
        for candidate in runtimes:
            best = self._attempt(candidate)
            if best is not None:
                return self._choose(candidate, best)
        reason = "; ".join(self._messages()) or "no runtime is installed"
        raise self._failure(reason, lasting=self._is_lasting())

    def follow(
        self, runtime_plan: RuntimePlan, candidates: Iterable[Candidate]
    ) -> tuple[Model, RuntimePlan]:
        """Load by the plan of a trial, and check the golden images once more.

        Args:
            runtime_plan: Result of the trial of this version.
            candidates: Include the one that the plan names.

        Raises:
            TrialFailedError: If it does not pass in this process.
        """
        model = self._follow(runtime_plan, candidates)
        if model is None:
            reason = (
                "; ".join(self._messages()) or f"{runtime_plan.candidate} is not available here"
            )
            raise self._failure(reason, lasting=False)
        return model, runtime_plan

    def _follow(self, runtime_plan: RuntimePlan, candidates: Iterable[Candidate]) -> Model | None:
        """Load by a plan; return None if the version does not pass."""
        every = [one for c in candidates for one in (c, c.alternative) if one is not None]
        for candidate in (one for one in every if one.name == runtime_plan.candidate):
            try:
                model = candidate.load(self._directory)
                self._try(model, runtime_plan.costs.sizes)
            except Exception as exc:  # noqa: BLE001 - runtimes raise what they like
                self._passed_over.append((f"{candidate.name}: {first_line(exc)}", type(exc)))
            else:
                return model
        return None

    def _choose(
        self, candidate: Candidate, best: tuple[Model, BatchCostModel]
    ) -> tuple[Model, RuntimePlan]:
        alternative = candidate.alternative and self._attempt(candidate.alternative, best)
        model, costs = alternative or best
        chosen = candidate.alternative if alternative and candidate.alternative else candidate
        runtime_plan = RuntimePlan(
            version=self._metadata.version,
            candidate=chosen.name,
            costs=costs,
            passed_over=self._messages(),
            parameter_count=self._metadata.parameter_count,
            input_shape=self._metadata.input.shape,
            may_differ=any(issubclass(e, TrialFailedError) for _, e in self._passed_over),
        )
        return model, runtime_plan

    def _attempt(
        self, candidate: Candidate, best: tuple[Model, BatchCostModel] | None = None
    ) -> tuple[Model, BatchCostModel] | None:
        try:
            model = candidate.load(self._directory)
            if best is not None:
                self._compare(model, *best)
            return model, self._examine(model)
        except Exception as exc:  # noqa: BLE001 - runtimes raise what they like
            version, name = self._metadata.version, candidate.name
            log.info("version %d does not run with %s: %s", version, name, exc)
            self._passed_over.append((f"{name}: {first_line(exc)}", type(exc)))
            return None

    def _examine(self, model: Model) -> BatchCostModel:
        """Check the golden images at every size; return the batch costs."""
        self._try(model, self._sizes)
        calls = {size: self._call(model, size) for size in self._sizes}
        costs = BatchCostModel(measure(calls, self._clock))
        model.prepare(costs.sizes)
        return costs

    def _try(self, model: Model, sizes: list[int]) -> None:
        model.prepare(sizes)
        check_golden(model, self._golden, self._metadata.classes, sizes)

    def _compare(self, alternative: Model, best: Model, costs: BatchCostModel) -> None:
        size = costs.limit
        alternative.prepare([size])
        calls = {model: self._call(model, size) for model in (alternative, best)}
        seconds = measure(calls, self._clock)
        if seconds[alternative] * MIN_SPEEDUP > seconds[best]:
            raise NotFasterError(
                f"a batch of {size} takes {seconds[alternative] * 1000:.2f} ms, "
                f"in {best.precision} {seconds[best] * 1000:.2f} ms"
            )

    def _call(self, model: Model, size: int) -> Callable[[], NDArray[np.float32]]:
        images = self._golden.images
        return partial(model.predict, [images[np.arange(size) % len(images)]])

    def _messages(self) -> tuple[str, ...]:
        return tuple(message for message, _ in self._passed_over)

    def _is_lasting(self) -> bool:
        """Return True if the version is at fault: it failed in a runtime that is available."""
        faults = [exc for _, exc in self._passed_over if not issubclass(exc, RuntimeMissingError)]
        return bool(faults) and not self._failed_by(*_OF_THIS_MACHINE)

    def _failure(self, reason: str, *, lasting: bool) -> TrialFailedError:
        return TrialFailedError(
            reason,
            lasting=lasting,
            transient=not lasting and self._failed_by(*_OF_THIS_MACHINE),
            out_of_memory=self._failed_by(MemoryError),
        )

    def _failed_by(self, *kinds: type[Exception]) -> bool:
        return any(issubclass(exc, kinds) for _, exc in self._passed_over)


def first_line(exc: Exception) -> str:
    """Return the first line of an exception's message, or its type."""
    return next(iter(str(exc).splitlines()), type(exc).__name__)
