"""What a caller may set: about the service once, about images each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

URL = "http://127.0.0.1:8000"
TIMEOUT_S = 5.0
LONGEST_TIMEOUT_S = 600.0
RETRIES = 3
BATCH_SIZE = 256
"""As cheap per image as more, and few enough for a busy service to answer in time."""
CONCURRENCY = 4

Prepare = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class Question:
    """What is asked about the images."""

    version: int | None = None
    label: str | None = None
    top_k: int | None = None
    prepare: Prepare = "auto"

    def __post_init__(self) -> None:
        """Refuse what no service could answer."""
        if self.version is not None and self.label is not None:
            raise ValueError("a version and a label are both given; give one of them")
        if self.prepare not in get_args(Prepare):
            raise ValueError(f"prepare is {self.prepare!r}; one of {get_args(Prepare)} is expected")

    @property
    def parameters(self) -> dict[str, str]:
        """The query: only what differs from what the service does unasked."""
        top_k = {} if self.top_k is None else {"top_k": str(self.top_k)}
        return top_k if self.prepare == "auto" else top_k | {"prepare": self.prepare}


@dataclass
class BatchSize:
    """The most images in a request; lowered when a service takes fewer."""

    images: int

    def __post_init__(self) -> None:
        """Refuse to send none."""
        if self.images < 1:
            raise ValueError(f"batch_size is {self.images}; at least 1 is expected")

    def lower(self, refused: int, limit: object) -> None:
        """Learn that so many were too many."""
        half = max(1, refused // 2)  # where the limit is one on bytes
        most = limit if isinstance(limit, int) and 1 <= limit < refused else half
        self.images = min(self.images, most)
