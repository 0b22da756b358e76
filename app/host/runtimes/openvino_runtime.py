"""Runs a SavedModel with OpenVINO on the CPU; it reads the format as it is."""

from __future__ import annotations

import contextlib
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

# OpenVINO reports its import to an outside host unless this package is missing.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402

from app.host.runtimes.base import (  # noqa: E402
    RuntimeMemoryError,
    RuntimeMissingError,
    RuntimeUnavailableError,
    fill,
    padded_size,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_LIGHT_BYTES = 16 * 2**20
"""Weights that may be held once per batch size; with six sizes that is a hundred MiB at most."""
_compiler = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compiler")
"""Compiles models with threads of their own: these inherit the priority of the thread that starts
them, and the loading thread may have a lower one."""
_OUT_OF_MEMORY = re.compile("alloc|memory|resource temporarily unavailable", re.IGNORECASE)
"""In OpenVINO's messages about a lack of memory; the last is about a thread that could not be
started for lack of memory for its stack."""
_PRECISIONS = {"f32": openvino.Type.f32, "bf16": openvino.Type.bf16}


class _Prepared(NamedTuple):
    """One batch size in one stream: a request, and the memory that it reads and writes."""

    request: openvino.InferRequest
    images: NDArray[np.uint8]
    probabilities: NDArray[np.float32]


class OpenVINOModel:
    """A model with a request and memory of its own for each prepared batch size.

    A light model is compiled for each size, since one compiled for any size is set up again
    whenever the size changes, which costs more than a small batch does. Further streams have the
    largest size only, each its own: a call to a model compiled for several takes longer. A heavy
    one is compiled once: every compilation has its own copy of the weights.
    """

    runtime = "openvino"

    def __init__(self, version: Path, *, precision: str, threads: int, streams: int = 1) -> None:
        """Read the model.

        Args:
            version: Directory of the SavedModel.
            precision: f32, bf16.
            threads: How many compute one batch.
            streams: How many threads may predict at the same time.

        Raises:
            RuntimeUnavailableError: If OpenVINO cannot read it.
            RuntimeMemoryError: If there is too little memory for it.
            RuntimeMissingError: If the CPU has no fast arithmetic of that precision.
        """
        self.precision = precision
        self._threads = threads
        self._streams = streams
        self._core = openvino.Core()
        _compiler.submit(int)  # so that its thread is started by the first load
        if precision == "bf16" and "BF16" not in self._core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise RuntimeMissingError("this CPU has no bf16 arithmetic")
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            # Else every call moves its thread to the first core, whatever runs there.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        }
        with _one_line():
            self._model = self._core.read_model(version)
        self._any_size: openvino.CompiledModel | None = None
        self._sizes: list[int] = []
        self._prepared: dict[int, list[_Prepared]] = {}
        """The free ones by batch size; a thread takes one out while it predicts."""

    def prepare(self, sizes: Sequence[int]) -> None:
        """Compile for these batch sizes, and release all others."""
        prepared = {size: self._prepared.get(size, []) for size in sizes}
        with _one_line():
            for size, free in prepared.items():
                wanted = self._streams if size == max(sizes) else 1
                free += [self._prepare(size) for _ in range(wanted - len(free))]
        self._sizes, self._prepared = list(sizes), prepared

    def predict(self, parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the probabilities of the images of all parts; shape (images, classes)."""
        n = sum(map(len, parts))
        free, prepared = self._take(padded_size(n, self._sizes))
        try:
            fill(prepared.images[:n], parts)
            # In this thread; start_async would hand over to another.
            prepared.request.infer(share_outputs=True)
            return prepared.probabilities[:n].copy()
        except RuntimeError as exc:
            if _OUT_OF_MEMORY.search(str(exc)):
                raise RuntimeMemoryError("OpenVINO has too little memory for a batch") from exc
            raise
        finally:
            free.append(prepared)

    def _take(self, size: int) -> tuple[list[_Prepared], _Prepared]:
        """Take a prepared request of a size, or of the largest; return its list as well."""
        free = self._prepared[size]
        with contextlib.suppress(IndexError):  # another stream has it
            return free, free.pop()
        largest = self._prepared[self._sizes[-1]]
        return largest, largest.pop()

    def _prepare(self, size: int) -> _Prepared:
        compiled = self._compiled(size)
        request = compiled.create_infer_request()
        (images,), (probabilities,) = self._model.inputs, self._model.outputs
        read = openvino.Tensor(images.element_type, [size, *_item(images)])
        written = openvino.Tensor(probabilities.element_type, [size, *_item(probabilities)])
        request.set_input_tensor(read)
        request.set_output_tensor(written)
        return _Prepared(request, read.data, written.data)

    def _compiled(self, size: int) -> openvino.CompiledModel:
        if _weights_bytes(self._model) <= _LIGHT_BYTES:
            self._model.reshape([size, *_item(self._model.input())])
            return self._compile(streams=1)
        if self._any_size is None:
            self._any_size = self._compile(streams=self._streams)
        return self._any_size

    def _compile(self, streams: int) -> openvino.CompiledModel:
        options = self._options | {
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": self._threads * streams,
        }
        if streams == 1:
            return self._core.compile_model(self._model, "CPU", options)
        return _compiler.submit(self._core.compile_model, self._model, "CPU", options).result()


def _item(port: openvino.Output) -> list[int]:
    """Return the shape of one image, or of its probabilities."""
    return list(port.get_partial_shape()[1:].to_shape())


def _weights_bytes(model: openvino.Model) -> int:
    constants = (op for op in model.get_ops() if op.get_type_name() == "Constant")
    return sum(constant.get_byte_size() for constant in constants)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except RuntimeError as exc:
        if _OUT_OF_MEMORY.search(str(exc)):
            raise RuntimeMemoryError("OpenVINO has too little memory to load it") from exc
        problem = str(exc).strip().splitlines()[-1]
        raise RuntimeUnavailableError(f"OpenVINO cannot load it: {problem}") from exc
