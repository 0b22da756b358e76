"""What is measured: loads, servers, and the records that come of it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Format = Literal["json", "raw"]
Kind = Literal["floor", "stock floor", "gevent floor", "naive", "glyph"]

BATCH_SIZES = (1, 8, 64)
"""Images per call when a runtime is measured alone."""
BULK_IMAGES = 256
BULK_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Load:
    """What clients send, again and again."""

    images: int
    """Per request."""
    format: Format
    connections: int

    @property
    def bulk(self) -> bool:
        """Whether it is many images per request."""
        return self.images > 1


@dataclass(frozen=True, slots=True)
class Server:
    """What answers; a floor has neither model nor runtime."""

    kind: Kind
    model: str = ""
    runtime: str = ""

    def takes(self, load: Load) -> bool:
        """Return True if it can read such requests: the naive service reads JSON only."""
        return load.format == "json" or self.kind != "naive"


FLOOR = Server("floor")
STOCK_FLOOR = Server("stock floor")
"""The floor on gunicorn's own worker for ASGI."""
GEVENT_FLOOR = Server("gevent floor")
"""Flask in its place, on gunicorn's own worker for gevent."""


@dataclass(frozen=True, slots=True)
class Run:
    """One server under one load, once."""

    server: Server
    load: Load
    requests: int
    """Answered well."""
    seconds: float
    p50_ms: float
    p99_ms: float
    failures: int
    cpu_s: float
    """Of all processes of the server."""

    @property
    def images_per_s(self) -> float:
        """Images answered per second; of single images that is requests per second."""
        return self.requests * self.load.images / self.seconds

    @property
    def cpu_s_per_1000(self) -> float:
        """CPU seconds that a thousand requests cost."""
        return self.cpu_s / self.requests * 1000 if self.requests else float("nan")


@dataclass(frozen=True, slots=True)
class Rate:
    """A runtime alone, in a process of its own."""

    model: str
    runtime: str
    precision: str
    batch: int
    images_per_s: float
    streams: int = 1
    """Batches computed at the same time, each on one thread."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server takes once: `seconds` from command to first prediction, or `mib` of memory."""

    server: Server
    amount: float


@dataclass(slots=True)
class Results:
    """Everything that one run of the command measured."""

    machine: dict[str, str]
    parameters: dict[str, int]
    """Model -> how many it has."""
    repeats: int
    seconds: int
    runs: list[Run] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)
    starts_s: list[Cost] = field(default_factory=list)
    memory_mib: list[Cost] = field(default_factory=list)
