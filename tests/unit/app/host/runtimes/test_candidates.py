"""Which runtime a version is tried with; nothing here imports one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.host.runtimes.base import RuntimeUnavailableError, padded_size
from app.host.runtimes.candidates import candidates


@pytest.fixture
def choose(monkeypatch):
    """Return a function that names the candidates, best first, on some machine."""

    def run(runtime: str, precision: str, *, gpu: bool = False, tensorflow: bool = True):
        monkeypatch.setattr("app.host.runtimes.candidates._has_gpu", lambda: gpu)
        monkeypatch.setattr("app.host.runtimes.candidates._installed", lambda _module: tensorflow)
        return list(candidates(runtime, precision, threads=1))

    return run


def names(chosen) -> list[str]:
    """Name the candidates in order; one with a alternative reads "x or y"."""
    return [f"{c.name} or {c.alternative.name}" if c.alternative else c.name for c in chosen]


@pytest.mark.parametrize(
    ("runtime", "precision", "expected"),
    [
        ("auto", "auto", ["openvino f32 or openvino bf16", "tensorflow"]),
        ("auto", "f32", ["openvino f32", "tensorflow"]),
        ("auto", "bf16", ["openvino bf16", "tensorflow"]),
        ("openvino", "auto", ["openvino f32 or openvino bf16"]),
        ("openvino", "f32", ["openvino f32"]),
        ("tensorflow", "auto", ["tensorflow"]),
    ],
)
def test_on_a_cpu_openvino_comes_first(choose, runtime, precision, expected):
    """With bf16 for a alternative where the precision is free, and TensorFlow for what is left."""
    assert expected == names(choose(runtime, precision))


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ("auto", ["tensorflow"]),
        ("openvino", ["openvino f32 or openvino bf16"]),
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

    assert ["openvino f32 or openvino bf16"] == names(chosen)


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
    ("n", "expected"), [(1, 1), (2, 4), (4, 4), (5, 12), (12, 12)], ids="{}".format
)
def test_a_batch_is_padded_to_the_next_prepared_size(n, expected):
    """Runtimes prepare a handful of shapes, and see no other while they serve."""
    assert expected == padded_size(n, [1, 4, 12])


def test_a_batch_larger_than_every_prepared_size_is_refused():
    """Nothing could hold it; the queue never makes one."""
    with pytest.raises(
        ValueError, match=r"^a batch of 13 images; the model is prepared for \[1, 4"
    ):
        padded_size(13, [1, 4, 12])
