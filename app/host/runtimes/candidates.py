"""The runtimes that a version is tried with, the best first."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.host.runtimes.base import Model


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runtime and its precision, not loaded yet."""

    name: str
    load: Callable[[Path], Model]
    """Raises RuntimeUnavailableError."""
    alternative: Candidate | None = None
    """Less exact; used instead if it passes the golden check and is measured to be faster."""


def candidates(
    runtime: str, precision: str, *, threads: int, streams: int = 1
) -> Iterator[Candidate]:
    """Return the runtimes to try, the best first.

    `auto` prefers TensorFlow where there is a GPU, else OpenVINO (with bf16 as the alternative if
    the precision is auto too), and TensorFlow, if installed, for models that OpenVINO cannot run.

    Args:
        runtime: auto, openvino, tensorflow.
        precision: auto, f32, bf16.
        threads: How many compute one batch.
        streams: How many batches may be computed at the same time.
    """
    on_tensorflow = Candidate("tensorflow", partial(_load_tensorflow, threads, streams))
    if runtime == "tensorflow" or (runtime == "auto" and _has_gpu() and _installed("tensorflow")):
        yield on_tensorflow
        return
    bf16 = Candidate("openvino bf16", partial(_load_openvino, "bf16", threads, streams))
    if precision == "bf16":
        yield bf16
    else:
        load = partial(_load_openvino, "f32", threads, streams)
        yield Candidate("openvino f32", load, alternative=bf16 if precision == "auto" else None)
    if runtime == "auto" and _installed("tensorflow"):
        yield on_tensorflow


def _load_openvino(precision: str, threads: int, streams: int, version: Path) -> Model:
    from app.host.runtimes.openvino_runtime import OpenVINOModel  # noqa: PLC0415 - only if chosen

    return OpenVINOModel(version, precision=precision, threads=threads, streams=streams)


def _load_tensorflow(threads: int, streams: int, version: Path) -> Model:
    from app.host.runtimes.base import RuntimeMissingError  # noqa: PLC0415

    if not _installed("tensorflow"):
        raise RuntimeMissingError("TensorFlow is not installed; pip install 'glyph[tensorflow]'")
    from app.host.runtimes.tensorflow_runtime import TensorFlowModel  # noqa: PLC0415

    return TensorFlowModel(version, threads=threads, streams=streams)


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _has_gpu() -> bool:
    return Path("/dev/nvidia0").exists()
