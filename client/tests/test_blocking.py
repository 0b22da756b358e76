"""The client as its callers see it, over a service that is made up."""

from __future__ import annotations

import asyncio
import dataclasses

import httpx
import numpy as np
import pytest

from client.tests.fakes import FakeService, FakeTime, answer, pattern, refusal, stack
from glyph_client import (
    AccessError,
    DeadlineError,
    FailedError,
    Glyph,
    GlyphError,
    ImageError,
    Model,
    NotFoundError,
    Prediction,
    RefusedError,
    Served,
    UnavailableError,
    UnreachableError,
)
from glyph_client.blocking import _run

PNG = b"\x89PNG\r\n\x1a\n..."
IMAGE = stack(3)[2]


@pytest.fixture
def service():
    return FakeService()


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def ask(service, time):
    """Make a client of the service."""

    def make(url="http://glyph.test", **options):
        transport = httpx.MockTransport(service)
        return Glyph(url, transport=transport, clock=time.clock, sleep=time.sleep, **options)

    return make


def test_one_image_has_one_prediction(ask):
    """With all that the service says of it."""
    prediction = ask().predict(IMAGE)

    assert Prediction("star", 2, 0.75, np.zeros(0), served=None) == prediction
    assert np.float32 == prediction.probabilities.dtype
    assert [0.125, 0.125, 0.75] == prediction.probabilities.tolist()
    assert Served("shapes", 3, "abc", 0.5, 0.25, 0.0) == prediction.served


def test_predictions_cannot_be_changed(ask):
    """Neither their fields nor their probabilities."""
    prediction = ask().predict(IMAGE)

    with pytest.raises(dataclasses.FrozenInstanceError):
        prediction.label = "circle"
    with pytest.raises(ValueError, match="read-only"):
        prediction.probabilities[0] = 1


def test_many_images_have_predictions_in_their_order(ask):
    """One by one, in slices, and as columns."""
    predictions = ask().predict(stack(5))

    assert ["circle", "square", "star", "circle", "square"] == predictions.labels
    assert [0, 1, 2, 0, 1] == predictions.classes.tolist()
    assert (5, 3) == predictions.probabilities.shape
    assert ("shapes", 3, "abc") == (predictions.model, predictions.version, predictions.request_id)
    assert (0.5, 0.25) == (predictions.queue_s, predictions.inference_s)
    assert "star" == predictions[2].label
    assert ["square", "star"] == [one.label for one in predictions[1:3]]
    assert "<5 predictions by shapes 3: ['circle', " in repr(predictions)


def test_one_image_in_a_list_has_predictions(ask):
    """So that a program does not have to ask how many there are."""
    assert ["star"] == ask().predict([IMAGE]).labels


def test_pictures_have_notes(ask):
    """They name how each was prepared."""
    assert ("inverted",) == ask().predict(PNG).notes
    assert [("inverted",)] * 2 == [one.notes for one in ask().predict([PNG, PNG])]


def test_many_images_go_in_several_requests(ask, service):
    """In order, and each says who answered it."""
    predictions = ask(batch_size=4).predict(stack(10))

    assert [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] == service.images
    assert [n % 3 for n in range(10)] == predictions.classes.tolist()
    assert 3 == len(predictions.served)
    assert (1.5, 0.75) == (predictions.queue_s, predictions.inference_s)


def test_a_version_may_change_between_requests(ask, service):
    """Each prediction knows its own; together they name the last."""
    service.script = [answer([0], version=7), answer([1], version=8)]

    predictions = ask(batch_size=1).predict(stack(2))

    assert [7, 8] == [one.served.version for one in predictions]
    assert 8 == predictions.version


def test_a_service_that_takes_fewer_is_given_fewer(ask, service):
    """Its limit is learnt, and kept."""
    service.max_images = 5
    glyph = ask()

    classes = glyph.predict(stack(7)).classes.tolist()
    again = glyph.predict(stack(6)).classes.tolist()

    assert ([n % 3 for n in range(7)], [n % 3 for n in range(6)]) == (classes, again)
    assert [7, 5, 2, 5, 1] == [len(images) for images in service.images]


def test_a_body_that_is_too_large_is_halved(ask, service):
    """A limit in bytes says nothing of images."""
    service.script = [refusal(413, limit=1024), refusal(413, limit=1024)]

    assert 8 == len(ask().predict(stack(8)))
    assert [8, 4, 2, 2, 2, 2] == [len(images) for images in service.images]


def test_an_image_that_is_too_large_is_refused(ask, service):
    """It cannot be halved."""
    service.script = [refusal(413, "the body is larger than 1024 bytes", limit=1024)]

    with pytest.raises(RefusedError, match="larger than 1024 bytes") as refused:
        ask().predict(IMAGE)

    assert (413, {"limit": 1024}) == (refused.value.status, refused.value.details)


@pytest.mark.parametrize(
    ("options", "question", "path"),
    [
        ({}, {}, "/predict"),
        ({"model": "shapes"}, {}, "/models/shapes/predict"),
        ({"model": "a/b"}, {}, "/models/a%2Fb/predict"),
        ({"model": "shapes"}, {"version": 7}, "/models/shapes/versions/7/predict"),
        ({"model": "shapes"}, {"label": "stable"}, "/models/shapes/labels/stable/predict"),
        ({"url": "https://host/glyph/"}, {}, "/glyph/predict"),
    ],
)
def test_what_is_to_answer_stands_in_the_path(ask, service, options, question, path):
    """A model, a version, a label, and the way to the service."""
    ask(**options).predict(IMAGE, **question)

    assert [path] == [request.url.raw_path.decode() for request in service.requests]


def test_the_default_models_name_is_asked_for_once(ask, service):
    """Versions and labels are below a name; who gave none still asks the default model."""
    glyph = ask()

    glyph.predict(IMAGE, version=7)
    glyph.predict(IMAGE, label="stable")
    glyph.predict(IMAGE)

    below = "/models/shapes"
    expected = ["/models", f"{below}/versions/7/predict", f"{below}/labels/stable/predict"]
    assert [*expected, "/predict"] == service.paths


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ({}, ""),
        ({"prepare": "auto"}, ""),
        ({"prepare": "never"}, "prepare=never"),
        ({"top_k": 2, "prepare": "always"}, "top_k=2&prepare=always"),
    ],
)
def test_only_what_differs_stands_in_the_query(ask, service, question, query):
    """The usual request is the shortest one."""
    ask().predict(IMAGE, **question)

    assert [query] == [request.url.query.decode() for request in service.requests]


def test_the_top_classes_are_given(ask, service):
    """As many as were asked for."""
    top = [{"label": "star", "class": 2, "probability": 0.75}]
    document = answer([2]).json()
    document["predictions"][0]["top"] = top
    service.script = [httpx.Response(200, json=document)]

    [choice] = ask().predict(IMAGE, top_k=1).top

    assert ("star", 2, 0.75) == (choice.label, choice.class_, choice.probability)


def test_a_key_goes_with_every_request(ask, service):
    """And is not shown to whoever prints the client."""
    glyph = ask(api_key="geheim")

    glyph.predict(IMAGE)
    glyph.models()
    ask().predict(IMAGE)

    keys = [request.headers.get("Authorization") for request in service.requests]
    assert ["Bearer geheim", "Bearer geheim", None] == keys
    assert "Glyph('http://glyph.test')" == repr(glyph)


def test_the_service_is_told_how_long_its_caller_waits(ask, service):
    """Less what the way may take; a second try has less time than the first."""
    service.script = [refusal(429, headers={"Retry-After": "2"})]

    ask(timeout=10).predict(IMAGE)

    first, second = [int(r.headers["X-Request-Timeout-Ms"]) for r in service.requests]
    assert 9500 == first
    assert 7400 < second < 7600
    assert 10 == service.requests[0].extensions["timeout"]["read"]


def test_a_patient_caller_tells_the_service_the_longest_time_that_it_takes(ask, service):
    """A longer one would be refused; the caller waits all the same."""
    ask(timeout=600).predict(IMAGE)

    assert "60000" == service.requests[0].headers["X-Request-Timeout-Ms"]
    assert 600 == service.requests[0].extensions["timeout"]["read"]


def test_a_busy_service_is_asked_again(ask, service, time):
    """When it says that it may help."""
    service.script = [refusal(503, headers={"Retry-After": "2"}), httpx.ConnectError("refused")]

    assert "star" == ask().predict(IMAGE).label

    assert 3 == len(service.requests)
    assert 2 <= time.pauses[0] < 2.2
    assert 0.1 <= time.pauses[1] <= 0.2


def test_a_broken_connection_is_tried_once_more_at_once(ask, service, time):
    """It may have been closed just when it was used again."""
    service.script = [httpx.RemoteProtocolError("closed")]

    assert "star" == ask().predict(IMAGE).label
    assert [] == time.pauses


def test_nobody_waits_for_what_comes_too_late(ask, service, time):
    """A service that asks for more patience than there is, is not asked again."""
    service.script = [refusal(429, "the queue is full", headers={"Retry-After": "5"})]

    with pytest.raises(UnavailableError, match="the queue is full") as busy:
        ask(timeout=5).predict(IMAGE)

    assert (429, 5) == (busy.value.status, busy.value.retry_after_s)
    assert [] == time.pauses


def test_retries_can_be_declined(ask, service):
    """Then a refusal is told at once."""
    service.script = [refusal(503)]

    with pytest.raises(UnavailableError):
        ask(retries=0).predict(IMAGE)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, AccessError),
        (403, AccessError),
        (404, NotFoundError),
        (408, DeadlineError),
        (415, RefusedError),
        (429, UnavailableError),
        (500, FailedError),
        (503, UnavailableError),
        (504, DeadlineError),
    ],
)
def test_a_refusal_has_the_services_sentence(ask, service, status, kind):
    """And all that stands beside it."""
    service.script = [
        refusal(status, "so it is", headers={"X-Request-Id": "r1"}, code="image.size", found=3)
    ]

    with pytest.raises(GlyphError, match="so it is") as refused:
        ask(retries=0).predict(IMAGE)

    error = refused.value
    assert kind is type(error)
    assert ("so it is", status, "r1") == (error.sentence, error.status, error.request_id)
    assert ("image.size", {"found": 3}) == (error.code, error.details)


@pytest.mark.parametrize(
    ("failure", "kind", "sentence"),
    [
        (httpx.ConnectError("refused"), UnreachableError, "no connection to http://.*: refused"),
        (httpx.ConnectTimeout(""), UnreachableError, "no connection to http://.*: ConnectTimeout"),
        (httpx.ReadError("reset"), UnreachableError, "the connection to http://.* broke: reset"),
        (
            httpx.RemoteProtocolError("closed"),
            UnreachableError,
            "http://glyph.test gave no whole answer in HTTP: closed",
        ),
        (httpx.ReadTimeout(""), DeadlineError, "http://glyph.test did not answer within 5 s"),
        (httpx.UnsupportedProtocol("no"), FailedError, "http://glyph.test cannot be asked: no"),
    ],
)
def test_what_breaks_on_the_way_is_told_in_the_same_way(ask, service, failure, kind, sentence):
    """Callers need to know nothing of what is below."""
    service.script = [failure] * 4

    with pytest.raises(kind, match=sentence) as error:
        ask().predict(IMAGE)

    assert error.value.status is None
    assert failure is error.value.__cause__


def test_errors_are_python_errors_as_well(ask, service):
    """So that a program may catch what it knows."""
    service.script = [httpx.ReadTimeout(""), httpx.RemoteProtocolError("")]

    with pytest.raises(TimeoutError):
        ask().predict(IMAGE)
    with pytest.raises(ConnectionError):
        ask(retries=0).predict(IMAGE)
    with pytest.raises(ValueError, match="no image"):
        ask().predict(None)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={"predictions": [{}], "model": {"name": "a", "version": 1}}),
        httpx.Response(200, json={"predictions": 3, "model": {}}),
        answer([0, 1, 2]),
    ],
)
def test_another_kind_of_answer_is_not_taken_for_one(ask, service, response):
    """Something else may listen there."""
    service.script = [response]

    with pytest.raises(FailedError, match=r"answered what Glyph does not .*right address"):
        ask().predict(stack(2))


def test_a_page_of_a_proxy_has_no_sentence(ask, service):
    """Its status is told."""
    service.script = [httpx.Response(502, text="<html>")]

    with pytest.raises(FailedError, match="answered 502 without a sentence") as error:
        ask().predict(IMAGE)

    assert 502 == error.value.status


def test_flat_images_are_to_be_reshaped(ask):
    """Rows of pixels look like one image; nobody gets the first one's prediction for all."""
    with pytest.raises(ImageError, match="the service found 5; reshape it to images x rows"):
        ask().predict(stack(5).reshape(5, 4))


def test_an_error_says_for_which_images(ask, service):
    """The service counts from the first of a request."""
    service.script = [answer([0, 1, 2, 0]), refusal(413, limit=2), answer([1, 2]), refusal(400)]

    with pytest.raises(RefusedError) as refused:
        ask(batch_size=4).predict(stack(8))

    assert ["in the request for images 6 to 7"] == refused.value.__notes__


def test_nothing_is_no_image(ask, service):
    """There is nothing to ask."""
    with pytest.raises(ImageError, match="there are no images"):
        ask().predict([])

    assert [] == service.requests


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"url": "localhost:8000"}, "url is 'localhost:8000'; one such as http://127.0.0.1:8000"),
        ({"timeout": 0}, "timeout is 0; up to 600 s are expected"),
        ({"timeout": 601}, "timeout is 601"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"retries": -1}, "retries is -1"),
    ],
)
def test_settings_are_checked(ask, settings, sentence):
    """Before anything is asked."""
    with pytest.raises(ValueError, match=pattern(sentence)):
        ask(**settings)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"version": 1, "label": "stable"}, "a version and a label are both given"),
        ({"prepare": "yes"}, "prepare is 'yes'; one of ('auto', 'always', 'never', 'digit', "),
    ],
)
def test_questions_are_checked(ask, question, sentence):
    """Before anything is asked."""
    with pytest.raises(ValueError, match=pattern(sentence)):
        ask().predict(IMAGE, **question)


def test_models_are_told_of(ask):
    """With their versions, loaded or not."""
    [model] = ask().models()

    assert isinstance(model, Model)
    assert ("shapes", True, 3, {"stable": 3}) == (
        model.name,
        model.ready,
        model.default_version,
        model.labels,
    )
    loaded, loading = model.versions
    assert (3, "serving", (2, 2, 1)) == (loaded.version, loaded.state, loaded.input_shape)
    assert ("circle", "square", "star") == loaded.classes
    assert (4, "loading", ()) == (loading.version, loading.state, loading.classes)


def test_the_example_can_be_asked_about(ask):
    """It is an image as `predict` takes them."""
    glyph = ask()
    example = glyph.example()

    assert ([[1, 2], [3, 4]], np.uint8) == (example.tolist(), example.dtype)
    assert "square" == glyph.predict(example).label


def test_a_service_is_ready_or_not(ask, service):
    """One that cannot be reached is not; nothing is tried twice."""
    away = httpx.ConnectError("refused")
    service.script = [refusal(503), away, httpx.ReadTimeout("")]
    glyph = ask()

    assert [False] * 3 + [True] == [glyph.ready() for _ in range(4)]
    assert ["/readyz"] * 4 == service.paths


def test_a_model_of_its_own_is_looked_at(ask, service):
    """The default model may serve while this one does not."""
    service.script = [httpx.Response(200, json={"ready": False, "reason": "it is unloaded"})]

    assert [False, True] == [ask(model="shapes").ready() for _ in range(2)]
    assert not ask(model="none").ready()


def test_something_else_is_never_ready(ask, service):
    """Waiting would not help."""
    service.script = [refusal(404)]

    with pytest.raises(NotFoundError):
        ask().ready()


def test_waiting_ends_when_the_model_serves(ask, service, time):
    """It looks again and again, less and less often."""
    service.script = [refusal(503)] * 9

    ask().wait_until_ready()

    assert sorted(time.pauses) == time.pauses
    assert (0.1, 1.0) == (time.pauses[0], time.pauses[-1])


def test_waiting_ends_in_time(ask, service, time):
    """And says why it was in vain."""
    service.script = [refusal(503, "no version serves")] * 99

    with pytest.raises(DeadlineError, match="not ready within 7 s: no version serves"):
        ask().wait_until_ready(7)

    assert sum(time.pauses) <= 7
    last = service.requests[-1].extensions["timeout"]["read"]
    assert last == pytest.approx(7 - sum(time.pauses))


def test_leaving_the_block_closes(service):
    """Connections do not outlive the client."""
    transport = httpx.MockTransport(service)
    closed = []
    transport.close = lambda: closed.append(True)

    with Glyph(transport=transport) as glyph:
        glyph.predict(IMAGE)
        assert [] == closed

    assert [True] == closed


def test_what_would_suspend_is_an_error():
    """The logic of both clients is in coroutines; nobody would resume one here."""
    with pytest.raises(RuntimeError, match="has suspended"):
        _run(asyncio.sleep(0))
