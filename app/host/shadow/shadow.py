"""Runs a share of a model's answered requests again on another version, and compares.

A request runs again after its answer was sent, and only when nothing else waits, so that callers do
not notice. Few images may be in progress, so that other background work has room and no version is
kept in memory for long; requests beyond the bound are skipped and counted.
"""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from app.host.batching.reply import BackgroundTask, Reply
from app.ipc.frames import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from app.host.batching.jobs import Job
    from app.host.batching.loaded_version import LoadedVersion
    from app.ipc.frames import Refused

log = logging.getLogger(__name__)

_MOST_IMAGES = 256
"""In progress at a time, of all models; a larger request runs only when no other does."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The results of two versions for the same images."""

    agreed: NDArray[np.bool_]
    """By image: the most probable class is the same."""
    differences: NDArray[np.float32]
    """By image: the largest difference between the two probabilities of a class."""
    primary_s: float
    """Runtime of the batches of the answered request."""
    shadow_s: float
    """Runtime of the batches of its second run."""


class ShadowObserver(Protocol):
    """Counts the results."""

    def shadowed(self, model: str) -> None: ...

    def compared(self, model: str, comparison: Comparison) -> None: ...

    def skipped(self, model: str, images: int) -> None: ...

    def failed(self, model: str, images: int) -> None: ...


@dataclass(frozen=True, slots=True)
class ShadowTarget:
    """The version that runs a share of a model's requests again."""

    version: int
    percent: float
    primary: int | None


class Shadowing:
    """Selects requests to run again, and compares the answers. Thread-safe."""

    def __init__(
        self,
        submit: Callable[[str, int, NDArray[np.uint8], Reply], bool],
        loaded: Callable[[str, int], LoadedVersion | None],
        observer: ShadowObserver,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Create from its parts.

        Args:
            submit: Queues images of a model for a version as background work, with where
                the outcome goes; returns False if the queue is full.
            loaded: Returns a model's version; None if it is not in memory.
            observer: Counts the results.
            chance: Returns a number from 0 to below 1.
        """
        self._submit = submit
        self._loaded = loaded
        self._observer = observer
        self._chance = chance
        self._shadows: dict[str, ShadowTarget] = {}
        self._lock = threading.Lock()
        self._under_way = 0

    def configure(
        self, model: str, version: int | None, percent: float = 100, primary: int | None = None
    ) -> None:
        """Run a share of the requests that a model's primary answers again on a version.

        Requests in progress for another version are skipped.

        Args:
            model: Name of the model.
            version: The shadow; None for no shadow.
            percent: More than 0, and at most 100.
            primary: The version that it is compared with; None for any other than itself.
        """
        shadow = None if version is None else ShadowTarget(version, percent, primary)
        if shadow == self._shadows.get(model):
            return
        if shadow is None:
            del self._shadows[model]
            log.info("shadowing of %s ended", model)
            return
        self._observer.shadowed(model)
        self._shadows[model] = shadow
        log.info("%s version %d shadows %g %% of the requests", model, version, percent)

    def answered(self, job: Job, answer: Answer) -> None:
        """Run an answered request again, if it is in the random share."""
        key = job.batch_key
        shadow = self._shadows.get(key.model)
        if shadow is None or shadow.version == answer.version:
            return
        if shadow.primary not in (None, answer.version):
            return
        if self._chance() * 100 < shadow.percent:
            self._run_again(key.model, shadow.version, job.images, answer)

    def settle(self, sample: Sample, outcome: Answer | Refused) -> None:
        """Count the result of a second run."""
        model, images = sample.model, len(sample.answer.probabilities)
        self._release(images)
        shadow = self._shadows.get(model)
        if shadow is None or shadow.version != sample.version:
            self._observer.skipped(model, images)
        elif isinstance(outcome, Answer):
            self._observer.compared(model, _compare(sample, outcome))
        else:
            self._observer.failed(model, images)

    def _run_again(
        self, model: str, version: int, images: NDArray[np.uint8], answer: Answer
    ) -> None:
        primary, shadow = self._loaded(model, answer.version), self._loaded(model, version)
        if primary is None or shadow is None:  # it has just been dropped
            self._observer.skipped(model, len(images))
            return
        facts, shadow_facts = primary.description, shadow.description
        if not shadow_facts.takes_pixels_of(facts):
            self._observer.failed(model, len(images))
            return
        sample = Sample(self, model, version, answer, facts.classes, shadow_facts.classes)
        if self._reserve(len(images)):
            if self._submit(model, version, images, Reply(sample)):
                return
            self._release(len(images))
        self._observer.skipped(model, len(images))

    def _reserve(self, images: int) -> bool:
        with self._lock:
            fits = not self._under_way or self._under_way + images <= _MOST_IMAGES
            self._under_way += images if fits else 0
            return fits

    def _release(self, images: int) -> None:
        with self._lock:
            self._under_way -= images


@dataclass(frozen=True, slots=True, eq=False)
class Sample(BackgroundTask):
    """An answered request that runs again. It holds no reference to a version."""

    shadowing: Shadowing
    model: str
    version: int
    """The shadow's."""
    answer: Answer
    """The answer to the caller."""
    classes: tuple[str, ...]
    """Of the version that answered."""
    shadow_classes: tuple[str, ...]

    def answered(self, outcome: Answer | Refused) -> None:
        """Compare the two answers."""
        self.shadowing.settle(self, outcome)


def _compare(sample: Sample, again: Answer) -> Comparison:
    primary, shadow = sample.answer.probabilities, again.probabilities
    if sample.classes != sample.shadow_classes:
        classes = tuple(dict.fromkeys((*sample.classes, *sample.shadow_classes)))
        primary = _spread(primary, sample.classes, classes)
        shadow = _spread(shadow, sample.shadow_classes, classes)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        apart = np.abs(primary - shadow)
    odd = ~np.isfinite(apart)
    apart[odd] = 1.0  # counts as the largest difference between probabilities
    same = primary.argmax(axis=1) == shadow.argmax(axis=1)
    return Comparison(
        agreed=same & ~odd.any(axis=1),
        differences=apart.max(axis=1),
        primary_s=sample.answer.inference_s,
        shadow_s=again.inference_s,
    )


def _spread(
    probabilities: NDArray[np.float32], classes: Sequence[str], onto: Sequence[str]
) -> NDArray[np.float32]:
    """Return probabilities in another order of classes; 0 for missing classes."""
    spread = np.zeros((len(probabilities), len(onto)), np.float32)
    spread[:, [onto.index(name) for name in classes]] = probabilities
    return spread
