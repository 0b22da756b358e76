"""What a made-up model host says to web workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.ipc.frames import Answer, Predict, encode_answer
from app.ipc.status import HostStatus, LoadedModel, ModelStatus, VersionStatus
from imaging.preparation import usual

if TYPE_CHECKING:
    from app.ipc.frames import Frame


def answer_to(request: Frame, version: int = 1) -> bytes:
    """Make an answer whose probabilities are the request's first pixel."""
    mark = Predict.decode(request.body).pixels[0]
    probabilities = np.full((1, 2), mark, np.float32)
    return encode_answer(request.request_id, Answer(version, 0.5, 0.25, probabilities))


def loaded(*classes: str) -> LoadedModel:
    return LoadedModel(
        runtime="fake",
        precision="f32",
        digest="0" * 64,
        accuracy=0.9,
        passed_over=(),
        batch_limit=1,
        batch_seconds={"1": 0.5},
        classes=classes,
        input_shape=(1, 1, 1),
        preparation=usual(1),
    )


READY = HostStatus.of(
    ModelStatus(
        name="shapes",
        ready=True,
        reason=None,
        versions=(VersionStatus(version=1, state="serving", loaded=loaded("ring", "line")),),
        default=1,
    )
)
STARTING = HostStatus.of(
    ModelStatus(name="shapes", ready=False, starting=True, reason="being loaded")
)
EMPTY = HostStatus.of(ModelStatus(name="shapes", ready=False, reason="the store is empty"))
