"""What predictions say: which version gave them, and whether they are that version's."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Answers:
    """One entry for each prediction; of several images the first counts."""

    done: NDArray[np.float64]
    """When it came; monotonic seconds."""
    request: NDArray[np.int64]
    """Which of the stream's requests was asked."""
    version: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    """Shape (answers, classes)."""

    def off(
        self, alone: NDArray[np.float32], kind_of: Callable[[NDArray[np.int64]], NDArray[np.int64]]
    ) -> NDArray[np.float32]:
        """Return each answer's largest difference from its version's answer alone.

        Args:
            alone: Shape (kinds, requests, classes).
            kind_of: Which kind of model a version is.
        """
        expected = alone[kind_of(self.version), self.request]
        differences: NDArray[np.float32] = np.abs(self.probabilities - expected).max(axis=1)
        return differences


@dataclass(slots=True)
class AnswersRead:
    """Answers, while they come."""

    _done: array[float] = field(default_factory=lambda: array("d"))
    _requests: array[int] = field(default_factory=lambda: array("q"))
    _versions: array[int] = field(default_factory=lambda: array("q"))
    _probabilities: array[float] = field(default_factory=lambda: array("f"))

    def add(self, done: float, request: int, body: bytes) -> None:
        """Read one."""
        document = orjson.loads(body)
        self._done.append(done)
        self._requests.append(request)
        self._versions.append(document["model"]["version"])
        self._probabilities.extend(document["predictions"][0]["probabilities"])

    def all(self) -> Answers:
        """Return those that arrived."""
        count = len(self._done)
        classes = len(self._probabilities) // count if count else 1
        return Answers(
            np.array(self._done, np.float64),
            np.array(self._requests, np.int64),
            np.array(self._versions, np.int64),
            np.array(self._probabilities, np.float32).reshape(count, classes),
        )
