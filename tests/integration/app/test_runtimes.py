"""The runtimes on the starter model: the same right answers, whoever computes them."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.host.runtimes import openvino_runtime
from app.host.runtimes.base import RuntimeUnavailableError
from app.host.runtimes.candidates import candidates
from app.host.runtimes.openvino_runtime import OpenVINOModel, openvino

if TYPE_CHECKING:
    from pathlib import Path

    from app.host.runtimes.base import Model

EXACT = ("openvino f32", "tensorflow")
RUNTIMES = (*EXACT, "openvino bf16")
SIZES = (1, 2, 4, 8, 16, 32, 64)


@functools.cache
def load(name: str, version: Path) -> Model:
    """Load a version with one runtime, once; skip where this machine cannot have it."""
    runtime, _, precision = name.partition(" ")
    if runtime == "tensorflow":
        pytest.importorskip("tensorflow")
    if precision == "bf16":
        capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if "BF16" not in capabilities:
            pytest.skip("this CPU has no bf16 arithmetic")
    (candidate,) = candidates(runtime, precision or "auto", threads=1)
    model = candidate.load(version)
    model.prepare(SIZES)
    return model


@pytest.fixture(params=RUNTIMES)
def model(request, starter):
    return load(request.param, starter)


@pytest.fixture(params=EXACT)
def exact(request, starter):
    """Return a model that does not round: bf16 is used only where the golden check passes."""
    return load(request.param, starter)


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_golden_images_get_the_answers_they_were_published_with(exact, golden, size):
    """Within the tolerance and of the same class, at sizes with padding and without."""
    picks = np.arange(size) % len(golden.images)
    found = exact.predict([golden.images[picks]])
    expected = golden.probabilities[picks]

    assert (expected.shape, np.float32) == (found.shape, found.dtype)
    assert expected.argmax(axis=1).tolist() == found.argmax(axis=1).tolist()
    assert np.abs(found - expected).max() <= golden.tolerance


def test_classes_are_the_same_in_every_precision_where_they_are_not_close(model, golden):
    """In bf16 probabilities differ by some hundredths at most."""
    top = np.sort(golden.probabilities, axis=1)
    clear = top[:, -1] - top[:, -2] > 0.1
    found = model.predict([golden.images])

    assert np.abs(found - golden.probabilities).max() <= 0.05
    assert golden.probabilities[clear].argmax(axis=1).tolist() == (
        found[clear].argmax(axis=1).tolist()
    )


def test_probabilities_add_up(model, golden):
    """Softmax is inside the model."""
    assert np.allclose(1, model.predict([golden.images[:9]]).sum(axis=1), atol=0.01)


def test_an_answer_is_the_callers_to_keep(model, golden):
    """The next batch does not change it, whatever buffers the runtime has."""
    first = model.predict([golden.images[:5]])
    kept = first.copy()
    for other in (golden.images[5:10], golden.images[20:28], golden.images[:1]):
        model.predict([other])

    assert kept.tolist() == first.tolist()


def test_what_a_batch_held_before_does_not_matter(model, golden):
    """The padding of a buffer that is used again is no part of the answer."""
    before = model.predict([golden.images[:3]]).tolist()
    model.predict([golden.images[10:14]])

    assert before == model.predict([golden.images[:3]]).tolist()


def test_an_answer_does_not_depend_on_its_batch(exact, golden):
    """Alone or among sixty-four, an image has the same probabilities to five decimals."""
    together = exact.predict([golden.images])
    alone = np.concatenate([exact.predict([image[np.newaxis]]) for image in golden.images])

    assert np.abs(together - alone).max() <= 1e-5


def test_parts_are_one_batch(model, golden):
    """In order, whatever their sizes."""
    together = model.predict([golden.images[:7]])
    parts = model.predict([golden.images[:1], golden.images[1:3], golden.images[3:7]])

    assert together.tolist() == parts.tolist()


def test_a_heavy_model_is_compiled_once(starter, golden, monkeypatch):
    """Its weights are held once, and its answers are the same at every size and in any order."""
    light = load("openvino f32", starter)
    monkeypatch.setattr(openvino_runtime, "_LIGHT_BYTES", 0)
    compiled = []
    compile_model = openvino.Core.compile_model

    def count(*arguments):
        compiled.append(arguments)
        return compile_model(*arguments)

    monkeypatch.setattr(openvino.Core, "compile_model", count)
    (candidate,) = candidates("openvino", "f32", threads=1)
    heavy = candidate.load(starter)
    heavy.prepare(SIZES)

    for size in (1, 7, 64, 33, 2, 1, 64):
        images = [golden.images[np.arange(size) % len(golden.images)]]
        assert np.abs(light.predict(images) - heavy.predict(images)).max() <= 1e-5
    assert 1 == len(compiled)


def test_threads_that_compute_are_not_started_by_one_that_gives_way(starter, monkeypatch):
    """They would give way to others as well, for as long as the version serves."""
    monkeypatch.setattr(openvino_runtime, "_LIGHT_BYTES", 0)
    priorities = []
    compile_model = openvino.Core.compile_model

    def note(*arguments):
        priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return compile_model(*arguments)

    def load_and_give_way():
        (candidate,) = candidates("openvino", "f32", threads=1, streams=2)
        candidate.load(starter).prepare([8])
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        candidate.load(starter).prepare([8])

    monkeypatch.setattr(openvino.Core, "compile_model", note)
    loader = threading.Thread(target=load_and_give_way)
    loader.start()
    loader.join()

    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert [own, own] == priorities


def test_a_model_can_let_go_of_sizes(starter, golden):
    """What is left answers as before; a batch that fits none of it is refused."""
    (candidate,) = candidates("openvino", "f32", threads=1)
    model = candidate.load(starter)
    model.prepare([1, 2, 4])
    before = model.predict([golden.images[:2]])
    model.prepare([1, 2])

    assert before.tolist() == model.predict([golden.images[:2]]).tolist()
    with pytest.raises(ValueError, match=r"^a batch of 3 images"):
        model.predict([golden.images[:3]])


def test_tensorflow_takes_a_second_version_with_other_threads(starter, golden):
    """The counts are for the whole process, and those of the first version stay."""
    load("tensorflow", starter)
    (candidate,) = candidates("tensorflow", "auto", threads=2)
    model = candidate.load(starter)
    model.prepare([1])

    assert 1 == len(model.predict([golden.images[:1]]))


@pytest.mark.parametrize("name", RUNTIMES)
def test_several_threads_predict_at_the_same_time(name, starter, golden):
    """As many as there are streams, each for itself: every answer is that of its own images."""
    alone = load(name, starter).predict([golden.images])
    runtime, _, precision = name.partition(" ")
    (candidate,) = candidates(runtime, precision or "auto", threads=1, streams=3)
    model = candidate.load(starter)
    model.prepare([1, 2, 4])
    together = threading.Barrier(3)

    def predict(first: int) -> float:
        together.wait()
        picks = [(first + np.arange(1 + n % 4)) % len(alone) for n in range(200)]
        return max(np.abs(model.predict([golden.images[p]]) - alone[p]).max() for p in picks)

    with ThreadPoolExecutor(3) as threads:
        assert max(threads.map(predict, (0, 20, 40))) <= 1e-5


def test_a_model_says_what_computes_it(model):
    """For the status and the front page."""
    assert f"{model.runtime} {model.precision}" in (*RUNTIMES, "tensorflow f32")


def test_images_of_another_shape_are_refused_in_a_sentence(model):
    """It names the shape that the signature takes; the next batch is answered."""
    sentence = r"takes images of shape \(28, 28, 1\); these have \(8, 8, 1\)"
    with pytest.raises(ValueError, match=sentence):
        model.predict([np.zeros((2, 8, 8, 1), np.uint8)])

    assert (1, 10) == model.predict([np.zeros((1, 28, 28, 1), np.uint8)]).shape


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("content", ["nothing", "no graph", "half a graph"])
def test_what_is_no_savedmodel_is_refused_in_one_line(name, content, starter, tmp_path):
    """The reason is shown in listings."""
    graph = {"no graph": b"hello", "half a graph": (starter / "saved_model.pb").read_bytes()[:9000]}
    if content in graph:
        (tmp_path / "saved_model.pb").write_bytes(graph[content])

    with pytest.raises(RuntimeUnavailableError) as caught:
        load(name, tmp_path)
    lines = str(caught.value).splitlines()
    assert 1 == len(lines)
    assert lines[0].partition(" cannot load it: ")[2].strip()


def test_a_cpu_without_bf16_is_told(starter, monkeypatch):
    """The precision is not emulated: that would be slower than f32."""

    class OldCore:
        """OpenVINO on a CPU that has f32 only."""

        def get_property(self, _device, _name):
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", OldCore)

    with pytest.raises(RuntimeUnavailableError, match=r"^this CPU has no bf16 arithmetic$"):
        OpenVINOModel(starter, precision="bf16", threads=1)


def test_openvino_leaves_the_choice_of_core_to_the_system(starter):
    """The web workers run on the same cores; a thread tied to one would wait for them."""
    prepared = load("openvino f32", starter)._prepared.values()

    assert [False] * len(SIZES) == [
        p.request.get_compiled_model().get_property("ENABLE_CPU_PINNING") for (p,) in prepared
    ]


def test_openvino_reports_to_nobody():
    """The package that tells an outside host of every import is not loaded."""
    code = (
        "import sys, app.host.runtimes.openvino_runtime; print(sys.modules['openvino_telemetry'])"
    )

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "None\n" == done.stdout
