"""Which runtime a version is tried with; nothing here imports one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.host.runtimes.base import RuntimeUnavailableError, padded_size
from app.host.runtimes.choice import candidates


@pytest.fixture
def choose(monkeypatch):
    """Give a function that names the candidates, best first, on some machine."""

    def run(runtime: str, precision: str, *, gpu: bool = False, tensorflow: bool = True):
        monkeypatch.setattr("app.host.runtimes.choice._has_gpu", lambda: gpu)
        monkeypatch.setattr("app.host.runtimes.choice._installed", lambda _module: tensorflow)
        return list(candidates(runtime, precision, threads=1, max_batch=4))

    return run


def names(chosen) -> list[str]:
    return [candidate.name for candidate in chosen]


@pytest.mark.parametrize(
    ("runtime", "precision", "expected"),
    [
        ("auto", "auto", ["openvino bf16", "openvino f32", "tensorflow"]),
        ("auto", "f32", ["openvino f32", "tensorflow"]),
        ("auto", "bf16", ["openvino bf16", "tensorflow"]),
        ("openvino", "auto", ["openvino bf16", "openvino f32"]),
        ("openvino", "f32", ["openvino f32"]),
        ("tensorflow", "auto", ["tensorflow"]),
    ],
)
def test_on_a_cpu_openvino_comes_first(choose, runtime, precision, expected):
    """In bf16 first where the precision is free, and TensorFlow for what is left."""
    assert expected == names(choose(runtime, precision))


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ("auto", ["tensorflow"]),
        ("openvino", ["openvino bf16", "openvino f32"]),
        ("tensorflow", ["tensorflow"]),
    ],
)
def test_a_gpu_means_tensorflow(choose, runtime, expected):
    """Unless OpenVINO is asked for."""
    assert expected == names(choose(runtime, "auto", gpu=True))


@pytest.mark.parametrize("gpu", [False, True], ids=["CPU", "GPU"])
def test_without_tensorflow_only_openvino_is_tried(choose, gpu):
    """The serving install has no TensorFlow, on whatever machine."""
    chosen = choose("auto", "auto", gpu=gpu, tensorflow=False)

    assert ["openvino bf16", "openvino f32"] == names(chosen)


def test_tensorflow_that_is_wanted_but_missing_is_told(choose):
    """With how to get it."""
    (candidate,) = choose("tensorflow", "auto", tensorflow=False)

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^TensorFlow is not installed; pip install 'glyph\[tensorflow\]'$",
    ):
        candidate.load(Path("models/mnist/1"))


def test_choosing_loads_nothing(choose, monkeypatch):
    """A candidate costs nothing until it is tried."""
    for name in ("openvino", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    choose("auto", "auto")

    assert not {"openvino", "tensorflow"} & sys.modules.keys()


@pytest.mark.parametrize(
    ("n", "largest", "expected"),
    [(1, 64, 1), (2, 64, 2), (3, 64, 4), (33, 64, 64), (64, 64, 64), (9, 12, 12), (70, 64, 70)],
)
def test_batches_are_padded_to_few_sizes(n, largest, expected):
    """Powers of two and the largest batch; a batch beyond it is taken as it is."""
    assert expected == padded_size(n, largest)
