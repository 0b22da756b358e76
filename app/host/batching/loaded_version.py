"""A version in memory: its model, how its batches are computed, and its description."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from pydantic import PlainSerializer, PlainValidator

from app.host.batching.cost_model import BatchCostModel
from app.host.batching.jobs import BatchKey

if TYPE_CHECKING:
    from app.host.runtimes.base import Model
    from app.ipc.status import LoadedModel
    from model_store import Metadata

_CostsAsSeconds = Annotated[
    BatchCostModel,
    PlainValidator(lambda seconds: BatchCostModel({int(size): s for size, s in seconds.items()})),
    PlainSerializer(lambda costs: costs.seconds),
]


@dataclass(frozen=True, slots=True)
class RuntimePlan:
    """The runtime of a version and its batch costs; holds no reference to the model."""

    version: int
    """The version whose batches were measured."""
    candidate: str
    costs: _CostsAsSeconds
    passed_over: tuple[str, ...]
    """Why other candidates are not used: a message for each that was tried."""
    parameter_count: int
    input_shape: tuple[int, int, int]
    may_differ: bool
    """A rejected candidate gave wrong answers; with another version it may be right."""

    def fits(self, metadata: Metadata) -> bool:
        """Return True if a version is so similar that its measurement would find the same plan."""
        return (
            not self.may_differ
            and self.parameter_count == metadata.parameter_count
            and self.input_shape == metadata.input.shape
        )


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version that passed its trial, with its model in memory."""

    name: str
    version: int
    model: Model
    runtime_plan: RuntimePlan
    description: LoadedModel
    """Sent to web workers."""
    example: bytes = b""
    """One golden image: uint8, row-major."""

    key: BatchKey = field(init=False)
    """The batch key of its jobs."""

    def __post_init__(self) -> None:
        """Make the key once: every request needs it."""
        object.__setattr__(self, "key", BatchKey(self.name, self.version))
