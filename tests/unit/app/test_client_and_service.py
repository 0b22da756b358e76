"""The client and the web side of the service agree; no socket is between them."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from app.web.http.errors import DeadlineError as ServicesDeadlineError
from app.web.http.errors import OverloadedError
from client.tests.fakes import FakeTime, stack
from glyph_client import (
    DeadlineError,
    Glyph,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from imaging.preparation import Preparation, usual

IMAGE = stack(3)[2]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def ask(make_app, time):
    """Make a client of a service that takes four images at a time."""

    def make(**options):
        transport = httpx.WSGITransport(make_app(max_images=4, max_body_bytes=1024))
        return Glyph(transport=transport, clock=time.clock, sleep=time.sleep, **options)

    return make


def test_an_image_is_answered(ask):
    """With its class, its version, its request's id and how long it took."""
    prediction = ask().predict(IMAGE)

    assert ("star", 2, 0.75) == (prediction.label, prediction.class_, prediction.probability)
    assert [0.125, 0.125, 0.75] == prediction.probabilities.tolist()
    served = prediction.served
    assert ("shapes", 3, 0.5, 0.25) == (
        served.model,
        served.version,
        served.queue_s,
        served.inference_s,
    )
    assert 16 == len(served.request_id)


@pytest.mark.parametrize(
    "image",
    [IMAGE, IMAGE.ravel(), IMAGE[..., np.newaxis], IMAGE.astype(float), IMAGE.tolist()],
    ids=["rows", "flat", "channel", "floats", "nested list"],
)
def test_every_layout_of_an_image_is_understood(ask, image):
    """As the client tells one image from many, so does the service."""
    assert "star" == ask().predict(image).label


def test_many_images_are_cut_to_what_the_service_takes(ask, channel):
    """Its refusal says how many that is."""
    images = np.arange(3, dtype=np.uint8).repeat(12).reshape(9, 2, 2)

    predictions = ask().predict(images)

    assert ["circle"] * 3 + ["square"] * 3 + ["star"] * 3 == predictions.labels
    assert [4, 4, 1] == [rows for rows, *_ in channel.asked]


def test_pictures_are_answered_like_arrays(ask, tmp_path, reader):
    """One as itself, several as a form, each under its name, and what was done to them is said."""
    path = tmp_path / "star.png"
    path.write_bytes(PNG + b"2")

    alone = ask().predict(path, prepare="always")
    mixed = ask().predict([PNG + b"0", path, IMAGE, PNG + b"1"])

    assert ("star", ("inverted",)) == (alone.label, alone.notes)
    assert ["circle", "star", "star", "square"] == mixed.labels
    expected = [Preparation("digit"), usual(1), usual(1)]
    assert expected == [preparation for *_, preparation, _ in reader.asked]


def test_the_top_classes_are_named(ask):
    """As many as were asked for, the most probable one first."""
    first, second = ask().predict(IMAGE, top_k=2).top

    assert ("star", 2, 0.75) == (first.label, first.class_, first.probability)
    assert 0.125 == second.probability


def test_flat_images_are_to_be_reshaped(ask):
    """The service takes them for many, the client for one."""
    with pytest.raises(ValueError, match="the service found 3; reshape it"):
        ask().predict(stack(3).reshape(3, 4))


@pytest.mark.usefixtures("two_models")
def test_versions_and_labels_are_asked_for(ask, channel):
    """Of the default model, or of another one."""
    ask().predict(IMAGE, version=4)
    ask(model="shapes").predict(IMAGE, label="stable")
    ask(model="wide").predict(np.zeros((1, 3), np.uint8))

    expected = [("shapes", 4, False), ("shapes", 3, False), ("wide", 0, False)]
    assert expected == channel.routed


@pytest.mark.usefixtures("two_models")
def test_models_are_told_of(ask):
    """All that the service lists."""
    shapes, wide, empty = ask().models()

    assert [6, 5, 4, 3, 2] == [version.version for version in shapes.versions]
    assert ("refused", "golden image 2: NaN") == (
        shapes.versions[1].state,
        shapes.versions[1].reason,
    )
    assert (3, {"stable": 3, "canary": 4}) == (shapes.default_version, shapes.labels)
    assert (1, 3, 1) == wide.versions[0].input_shape
    assert (False, "it is unloaded", None) == (empty.ready, empty.reason, empty.default_version)


@pytest.mark.usefixtures("two_models")
def test_readiness_is_that_of_the_model(ask):
    """One may serve while another does not."""
    names = (None, "wide", "empty", "none")
    assert [True, True, False, False] == [ask(model=name).ready() for name in names]


def test_the_example_can_be_asked_about(ask):
    """It has the shape that the model takes."""
    glyph = ask()

    assert [[2, 0], [255, 7]] == glyph.example().tolist()
    assert "star" == glyph.predict(glyph.example()).label


def test_a_refusal_has_the_services_sentence(ask):
    """With the id under which its log has it."""
    with pytest.raises(RefusedError, match="top_k is '9'") as refused:
        ask().predict(IMAGE, top_k=9)

    assert 400 == refused.value.status
    assert 16 == len(refused.value.request_id)
    with pytest.raises(NotFoundError, match="no version 9"):
        ask().predict(IMAGE, version=9)


def test_a_busy_service_is_asked_until_the_time_is_up(ask, channel, time):
    """No longer, and as it says."""
    channel.error = OverloadedError("the queue is full", retry_after_s=2)

    with pytest.raises(UnavailableError, match="the queue is full") as busy:
        ask(timeout=5).predict(IMAGE)

    assert (429, 2) == (busy.value.status, busy.value.retry_after_s)
    assert [2, 2] == [int(pause) for pause in time.pauses]


def test_the_services_deadline_is_the_callers(ask, channel, clock):
    """A little before, so that its answer still comes in time."""
    ask(timeout=10).predict(IMAGE)
    [(_rows, _pixels, deadline)] = channel.asked
    assert 9.5 == deadline - clock.now

    channel.error = ServicesDeadlineError("no answer within 9.5 s")
    with pytest.raises(DeadlineError, match="no answer within"):
        ask().predict(IMAGE)
