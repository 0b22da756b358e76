"""Writes predictions, states and metadata as TensorFlow Serving does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson

from app.web.api.tensorflow_serving.tensors import INPUT, SIGNATURE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.ipc.status import LoadedModel, State, VersionStatus

OUTPUT = "probabilities"
METHOD = "tensorflow/serving/%s"
_KEYS = {"instances": b"predictions", "inputs": b"outputs"}
"""What the images of a request stand at -> what the answers do."""
STATES: dict[State, str] = {
    "loading": "LOADING",
    "serving": "AVAILABLE",
    "retiring": "UNLOADING",
    "refused": "END",
}


def encode_outputs(probabilities: NDArray[np.float32], key: str) -> bytes:
    """Write the only output of the model, which has no name then.

    Args:
        probabilities: float32 (images, classes); written as the shortest decimals that give the
            same 32 bits.
        key: What the images of the request stood at.
    """
    numbers = orjson.dumps(probabilities, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in numbers:  # which is not what NaN and infinity are there
        rows = [[float(str(number)) for number in row] for row in probabilities]
        numbers = json.dumps(rows).encode()
    return b'{\n    "%b": %b\n}' % (_KEYS[key], numbers)


def describe_states(versions: tuple[VersionStatus, ...]) -> dict[str, Any]:
    """Return the states of versions."""
    return {"model_version_status": [_state(version) for version in versions]}


def _state(version: VersionStatus) -> dict[str, Any]:
    code = "FAILED_PRECONDITION" if version.state == "refused" else "OK"
    return {
        "version": str(version.version),
        "state": STATES[version.state],
        "status": {"error_code": code, "error_message": version.reason or ""},
    }


def describe_signature(name: str, version: int, model: LoadedModel) -> dict[str, Any]:
    """Return the signature of a version; sizes are strings, and -1 is any."""
    signature = {
        "inputs": {INPUT: _tensor("DT_UINT8", model.input_shape, f"{SIGNATURE}_{INPUT}:0")},
        "outputs": {
            OUTPUT: _tensor("DT_FLOAT", (len(model.classes),), "StatefulPartitionedCall:0")
        },
        "method_name": METHOD % "predict",
        "defaults": {},
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }


def _tensor(dtype: str, shape: tuple[int, ...], name: str) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in (-1, *shape)]
    return {
        "dtype": dtype,
        "tensor_shape": {"dim": dimensions, "unknown_rank": False},
        "name": name,
    }
