"""Runs a SavedModel with OpenVINO on the CPU; it reads the format as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

# OpenVINO reports its import to an outside host unless this package is missing.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402

from app.host.runtimes.base import RuntimeUnavailableError, padded_size  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PRECISIONS = {"f32": openvino.Type.f32, "bf16": openvino.Type.bf16}


class OpenVINOModel:
    """A compiled model with one reused request and an input buffer per batch size."""

    runtime = "openvino"

    def __init__(self, version: Path, *, precision: str, threads: int, max_batch: int) -> None:
        """Read and compile.

        Raises:
            RuntimeUnavailableError: If OpenVINO cannot read or compile the model, or the CPU has no
                fast arithmetic of that precision.
        """
        self.precision = precision
        self._max_batch = max_batch
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise RuntimeUnavailableError("this CPU has no bf16 arithmetic")
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": threads,
            # Else every call moves its thread to the first core, whatever runs there.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        }
        try:
            compiled = core.compile_model(core.read_model(version), "CPU", options)
        except RuntimeError as exc:
            problem = str(exc).strip().splitlines()[-1]
            raise RuntimeUnavailableError(f"OpenVINO cannot load it: {problem}") from exc
        self._request = compiled.create_infer_request()
        self._inputs: dict[int, openvino.Tensor] = {}

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify images of shape (n, rows, columns, channels); gives (n, classes)."""
        tensor = self._input(padded_size(len(images), self._max_batch), images.shape[1:])
        tensor.data[: len(images)] = images
        self._request.set_input_tensor(tensor)
        self._request.infer()
        output: NDArray[np.float32] = self._request.get_output_tensor().data[: len(images)]
        return output.copy()

    def _input(self, size: int, shape: tuple[int, ...]) -> openvino.Tensor:
        if size not in self._inputs:
            self._inputs[size] = openvino.Tensor(np.zeros((size, *shape), np.uint8))
        return self._inputs[size]
