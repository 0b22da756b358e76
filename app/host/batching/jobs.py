"""Jobs, and the batches that are made of their pieces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.host.batching.reply import Reply


class BatchKey(NamedTuple):
    """The version and priority that the jobs of one batch have in common."""

    model: str
    version: int
    background: bool = False

    def in_background(self) -> BatchKey:
        """Return the key for background jobs of the same version."""
        return self._replace(background=True)


@dataclass(slots=True, eq=False)
class Job:
    """The images of one request, and the version that was to answer it when it arrived."""

    images: NDArray[np.uint8]
    """Shape (n, rows, columns, channels)."""
    batch_key: BatchKey
    """Jobs with the same key share batches: those of one version, foreground or background."""
    arrived: float
    deadline: float
    reply_to: Reply
    """Where the outcome goes."""
    started: float | None = None
    taken: int = 0
    answered: int = 0
    inference_s: float = 0.0
    background: bool = False
    """Run only when nothing else waits; not part of the estimated waiting time."""
    dropped: bool = False
    """Ended without an answer: its other images are not computed, and results are discarded."""
    out_of_memory: bool = False
    """Dropped because there was too little memory to compute it."""
    pieces: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    """Answers by the number of the first image; they come in any order."""

    @property
    def remaining(self) -> int:
        """Images that no batch has taken yet."""
        return len(self.images) - self.taken

    def probabilities(self) -> NDArray[np.float32]:
        """Join the answers of all pieces, in order; shape (n, classes)."""
        if len(self.pieces) == 1:
            return self.pieces[0]
        return np.concatenate([self.pieces[start] for start in sorted(self.pieces)])


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive images of one job."""

    job: Job
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Pieces with the same batch key, computed by the runtime in one call."""

    batch_key: BatchKey
    pieces: list[Piece]
    size: int
