"""The whole model host in this process, with OpenVINO, asked over its socket."""

from __future__ import annotations

import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.config.settings import Settings
from app.host.service import HostService
from app.web.http.errors import BadInputError, DeadlineError, OverloadedError
from app.web.http.pending_call import PENDING_CALL, PendingCall
from model_store.control.document import Shadow
from tests.integration.app.asking_worker import AskingWorker
from tests.starter_store import MODEL

SAFETY_S = 30
"""How long anything may take before a test gives up; nothing takes that long."""
pytestmark = pytest.mark.timeout(SAFETY_S)
TOLERANCE = 0.01


@pytest.fixture
def start(loop, tmp_path, store):
    """Return a function that starts a host on the test's store, and connects a web worker to it.

    A store that is not there holds the starter, which has passed; an empty one is seeded.
    """
    running = []

    def run(**changes) -> tuple[HostService, AskingWorker]:
        store.seed_as_passed()
        settings = Settings(
            **{
                "store": str(store.root),
                "runtime": "openvino",
                "precision": "f32",
                "max_batch": 16,
                "poll_interval_s": 0.05,
                "graceful_timeout_s": 1,
            }
            | changes
        )
        service = HostService(settings, tmp_path)
        service.start()
        channel = AskingWorker(loop, tmp_path, settings.largest_frame_bytes)
        running.append((service, channel))
        return service, channel

    yield run
    for service, channel in running:
        channel.close()
        service.close()


@pytest.fixture(params=[1, 2], ids="{} streams".format)
def channel(request, start) -> AskingWorker:
    return start(runtime_streams=request.param)[1]


@pytest.fixture
def threads():
    """Return an executor whose threads send requests."""
    with ThreadPoolExecutor(8) as executor:
        yield executor


def soon() -> float:
    return time.monotonic() + SAFETY_S


def predict(channel: AskingWorker, images: np.ndarray):
    return channel.predict(len(images), images.tobytes(), soon())


def until(condition) -> None:
    """Wait for the host's threads; the test's own timeout is the bound."""
    while not condition():
        time.sleep(0.01)


@pytest.mark.parametrize("streams", [1, 2])
def test_an_empty_store_is_seeded_and_served(start, store, golden, streams):
    """The starter answers as it was published, under its own number."""
    store.root.mkdir()
    _, channel = start(runtime_streams=streams)
    prediction = predict(channel, golden.images)

    assert ([1], 1) == (store.versions("mnist"), prediction.answer.version)
    assert tuple("0123456789") == prediction.classes
    found = prediction.answer.probabilities
    assert np.abs(found - golden.probabilities).max() <= TOLERANCE
    assert golden.probabilities.argmax(axis=1).tolist() == found.argmax(axis=1).tolist()


def test_requests_of_all_sizes_get_their_own_answers(channel, threads, golden):
    """At once and mixed, larger than a batch and smaller."""
    sizes = (1, 40, 1, 7, 64, 16, 1, 17)
    parts = [golden.images[:size] for size in sizes]
    requests = [threads.submit(predict, channel, part) for part in parts]

    for size, request in zip(sizes, requests, strict=True):
        found = request.result().answer.probabilities
        assert np.abs(found - golden.probabilities[:size]).max() <= TOLERANCE


def test_what_nobody_waits_for_is_dropped_before_it_is_run(start, loop, tmp_path, threads, golden):
    """One request, and then all of a web worker that goes; both are counted as abandoned."""
    service, channel = start(batch_wait_ms=1000)
    channel.serving(soon())
    other = AskingWorker(loop, tmp_path, 2**24)
    other.serving(soon())
    pending = PendingCall()
    context = contextvars.Context()
    context.run(PENDING_CALL.set, pending)
    threads.submit(context.run, predict, channel, golden.images[:1])
    for _ in range(2):
        threads.submit(predict, other, golden.images[:1])
    until(lambda: service._metrics.exposition().count(b"glyph_queue_images 3.0"))
    loop.call(pending.cancel)
    other.close()

    until(lambda: b'dropped_total{reason="abandoned"} 3.0' in service._metrics.exposition())
    assert b"glyph_queue_images 0.0" in service._metrics.exposition()
    assert b"glyph_batch_size_images_count 0.0" in service._metrics.exposition()


def test_what_serves_is_known(channel, store):
    """The status that every web worker gets names the version and what computes it."""
    loaded = channel.serving(soon())

    assert ("openvino", "f32", (28, 28, 1)) == (
        loaded.runtime,
        loaded.precision,
        loaded.input_shape,
    )
    assert store.verify("mnist", 1).digest == loaded.digest


def test_auto_takes_the_first_arithmetic_that_passes_the_trial(start, store, golden):
    """Whichever it is on this machine, the answers are within the tolerance."""
    store.root.mkdir()
    _, channel = start(precision="auto")
    found = predict(channel, golden.images).answer.probabilities

    assert np.abs(found - golden.probabilities).max() <= TOLERANCE


def test_a_newer_version_is_taken_over(channel, store, golden):
    """While it runs; the answers say so, and the old one is let go."""
    first = predict(channel, golden.images[:1])
    assert 2 == store.publish()
    until(lambda: channel.status.serving.version == 2)
    second = predict(channel, golden.images[:1])
    until(lambda: len(channel.status.versions) == 1)

    assert (1, 2) == (first.answer.version, second.answer.version)


def test_no_request_is_lost_in_a_swap(channel, threads, store, golden):
    """Requests without pause are all answered, by one version or the other."""
    channel.serving(soon())
    versions = []

    def keep_asking():
        while 2 not in versions:
            versions.append(predict(channel, golden.images[:3]).answer.version)

    clients = [threads.submit(keep_asking) for _ in range(4)]
    until(lambda: versions)
    store.publish()
    for client in clients:
        client.result()

    assert {1, 2} == set(versions)


def test_a_corrupted_newer_version_is_refused(channel, store, golden):
    """The one that serves goes on, and the reason names the file."""
    channel.serving(soon())
    damaged = store.path("mnist", 2)
    store.publish_damaged()
    until(lambda: any(v.state == "refused" for v in channel.status.versions))

    refused, serving = channel.status.versions
    assert ((2, "refused"), (1, "serving")) == (
        (refused.version, refused.state),
        (serving.version, serving.state),
    )
    assert f"{damaged / 'variables'}" in refused.reason
    assert 1 == predict(channel, golden.images[:1]).answer.version


def test_a_host_may_start_on_a_damaged_version(start, store, golden):
    """It serves the newest good one."""
    store.publish()
    store.publish_damaged()
    _, channel = start()

    assert 1 == predict(channel, golden.images[:1]).answer.version
    assert [(2, "refused"), (1, "serving")] == [
        (v.version, v.state) for v in channel.status.versions
    ]


def test_metrics_tell_what_was_done(channel, golden):
    """Batches, predictions by class, loads, and the version that serves."""
    predict(channel, golden.images[:1])
    until(lambda: b"glyph_model_load_seconds_count 1.0" in channel.metrics(soon()))
    lines = channel.metrics(soon()).decode().splitlines()

    number = golden.probabilities[0].argmax()
    assert f'glyph_predictions_total{{class="{number}",model="mnist"}} 1.0' in lines
    assert 'glyph_model_loads_total{model="mnist",outcome="served"} 1.0' in lines
    assert 'glyph_model_version{model="mnist"} 1.0' in lines
    assert "glyph_batch_size_images_count 1.0" in lines
    assert "glyph_queue_images 0.0" in lines
    assert "glyph_host_restarts_total 0.0" in lines


def test_statistics_tell_what_was_asked(channel, golden):
    """Of the version that answered, by the size of its batches."""
    predict(channel, golden.images[:3])
    until(lambda: channel.statistics(soon()))
    (told,) = channel.statistics(soon())

    assert ("mnist", 1, 3) == (told.model, told.version, told.images)
    assert 1 == told.success.count == told.queue.count == told.inference.count
    assert {3: 1} == {size: duration.count for size, duration in told.batches.items()}


def test_a_second_start_is_counted(start):
    """The run directory outlives the host."""
    first, channel = start()
    channel.close()
    first.close()
    _, channel = start()
    channel.serving(soon())

    assert b"\nglyph_host_restarts_total 1.0\n" in channel.metrics(soon())


def test_pixels_that_do_not_fit_are_refused(channel):
    """By the host, whatever the web worker thought."""
    channel.serving(soon())

    with pytest.raises(BadInputError, match=r"^3 bytes are not 1 images of \(28, 28, 1\)$"):
        channel.predict(1, b"abc", soon())


def test_a_request_over_the_bound_is_refused(start, golden):
    """The queue is bounded in images."""
    _, channel = start(queue_limit=8, max_images=8)
    channel.serving(soon())

    with pytest.raises(OverloadedError, match=r"^0 images are waiting; the limit is 8$"):
        predict(channel, golden.images[:9])
    assert 8 == len(predict(channel, golden.images[:8]).answer.probabilities)


def test_a_deadline_that_passed_is_not_waited_for(channel, golden):
    """The next request is served as if nothing had been."""
    channel.serving(soon())
    with pytest.raises(DeadlineError):
        channel.predict(1, golden.images[0].tobytes(), time.monotonic() - 1)

    assert 1 == len(predict(channel, golden.images[:1]).answer.probabilities)


def test_closing_waits_for_the_web_workers(start, golden):
    """While they drain they are answered; the host stops when the last one has gone."""
    service, channel = start(graceful_timeout_s=SAFETY_S)
    channel.serving(soon())
    closing = threading.Thread(target=service.close)
    closing.start()
    answered = predict(channel, golden.images[:2])
    channel.close()
    closing.join(SAFETY_S)

    assert 2 == len(answered.answer.probabilities)
    assert not closing.is_alive()


@pytest.mark.parametrize("streams", [1, 2])
def test_a_batch_that_never_ends_stops_the_beats(start, golden, monkeypatch, streams):
    """Though the server's loop turns; whoever watches replaces the host."""
    service, channel = start(runtime_streams=streams)
    predict(channel, golden.images[:1])
    heartbeats = service.heartbeats()
    until(lambda: service.heartbeats() > heartbeats)
    hung = object()
    monkeypatch.setattr(service._engine, "oldest", lambda: hung)
    service.heartbeats()
    stopped = service.heartbeats()
    turned = service._server.heartbeats
    until(lambda: service._server.heartbeats > turned)

    assert stopped == service.heartbeats()


@pytest.mark.parametrize("streams", [1, 2])
def test_a_host_that_must_end_answers_the_batch_in_progress(
    start, threads, golden, monkeypatch, streams
):
    """Before it closes the connections."""
    service, channel = start(runtime_streams=streams)
    predict(channel, golden.images[:1])
    (loaded,) = service._engine.routes[MODEL].serving.values()
    begun, go_on = threading.Event(), threading.Event()
    compute = type(loaded.model).predict

    def hold(model, parts):
        begun.set()
        assert go_on.wait(SAFETY_S)
        return compute(model, parts)

    monkeypatch.setattr(type(loaded.model), "predict", hold)
    request = threads.submit(predict, channel, golden.images[:2])
    until(begun.is_set)
    ending = threading.Thread(target=service.stop)
    ending.start()
    until(lambda: service._server._closing or (streams > 1 and service._engine._stopped))
    go_on.set()

    assert 2 == len(request.result().answer.probabilities)
    ending.join(SAFETY_S)
    assert not ending.is_alive()


def test_a_store_that_cannot_be_written_is_no_reason_to_stop(start, store, caplog):
    """The seed is a convenience: without it the service says what is missing."""
    store.root.write_text("a file in the place of the directory")
    _, channel = start()
    until(lambda: not channel.status.starting)

    assert f"{store.root} holds no version of mnist" in channel.status.reason
    assert "the starter model could not be put into" in caplog.text


def test_a_shadow_runs_requests_again_unseen(start, store, golden):
    """The counts are exact: both versions are the same, so every image agrees."""
    service, channel = start(version_policy="all")
    channel.serving(soon())
    store.publish()
    store.change(
        "mnist",
        "test",
        lambda control: control.model_copy(
            update={
                "labels": {"next": 2},
                "pinned": 1,
                "shadow": Shadow(label="next", percent=100),
            }
        ),
        by="ann",
    )
    until(lambda: (status := channel.model()).shadow and status.default == 1)
    sizes = (1, 7, 1, 40, 2)
    by_number = golden.images[:3]
    channel.predict(3, by_number.tobytes(), soon(), version=2)
    answers = [predict(channel, golden.images[:size]).answer for size in sizes]

    agreed = f'glyph_shadow_images_total{{model="mnist",outcome="agreed"}} {sum(sizes)}.0'.encode()
    until(lambda: agreed in service._metrics.exposition())
    assert {1} == {answer.version for answer in answers}
    exposed = service._metrics.exposition().decode()
    assert 'glyph_shadow_images_total{model="mnist",outcome="disagreed"} 0.0' in exposed
    assert 'glyph_shadow_inference_seconds_count{model="mnist",side="shadow"} 5.0' in exposed
