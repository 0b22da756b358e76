"""Makes versions in memory for tests that load none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.host.batching.cost_model import BatchCostModel
from app.host.batching.loaded_version import LoadedVersion, RuntimePlan
from app.ipc.status import LoadedModel
from imaging.preparation import Preparation, usual

if TYPE_CHECKING:
    from app.ipc.status import Shape


def loaded_version(  # noqa: PLR0917 - the facts of a version
    name: str,
    version: int,
    model: Any,
    costs: BatchCostModel | None,
    classes: tuple[str, ...],
    shape: Shape,
    preparation: Preparation | None = None,
) -> LoadedVersion:
    """Make a version that serves with a model; without costs it computes nothing."""
    plan = RuntimePlan(
        version=version,
        candidate="fake f32",
        costs=costs or BatchCostModel({1: 0.0}),
        passed_over=(),
        parameter_count=1,
        input_shape=shape,
        may_differ=False,
    )
    description = LoadedModel(
        runtime="fake",
        precision="f32",
        digest="",
        accuracy=1,
        passed_over=(),
        batch_limit=plan.costs.limit,
        batch_seconds={},
        classes=classes,
        input_shape=shape,
        preparation=preparation or usual(shape[2]),
    )
    return LoadedVersion(name, version, model, plan, description)
