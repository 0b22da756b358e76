"""How answers are written: the form that is asked for, and what stands in it."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from app.ipc.frames import Answer
from app.web.host_client.client import Prediction
from app.web.http.errors import NotAcceptableError
from app.web.inputs.images import Images
from app.web.prediction.query_options import FIELDS, USUAL_FIELDS
from app.web.prediction.responses import (
    JSON,
    NPY,
    RAW,
    choose_form,
    encode_fields,
    encode_numbers,
    encode_predictions,
)

PROBABILITIES = np.array([[0.1, 0.7, 0.2], [0.4, 0.2, 0.4]], np.float32)
PREDICTION = Prediction(Answer(7, 0.0, 0.0, PROBABILITIES), ("circle", "square", "star"))
PIXELS = bytes(range(12))
GREY, COLOUR = (2, 3, 1), (2, 1, 3)
NOTES = (("inverted", "blank"), ())


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/json; charset=utf-8", JSON),
        ("text/html, application/json;q=0.5", JSON),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),
        ("application/x-npy", NPY),
        ("APPLICATION/X-NPY", NPY),
        ("application/x-npy, */*;q=0.1", NPY),
        ("application/json;q=0.1, application/x-npy;q=0.9", NPY),
        ("application/json;q=0, */*", NPY),
        ("application/octet-stream", RAW),
        ("application/octet-stream;q=0.5, application/x-npy;q=0.4", RAW),
    ],
)
def test_the_form_that_is_wanted(accept, expected):
    """JSON where nothing else is wanted more."""
    assert expected == choose_form(accept, needs_json=False)


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "nonsense", "x" * 200])
def test_a_form_that_there_is_not_is_refused(accept):
    """With those that there are."""
    with pytest.raises(NotAcceptableError) as caught:
        choose_form(accept, needs_json=False)

    there = "application/json, application/x-npy, application/octet-stream"
    assert f"Accept {accept[:80]!r} is not supported; supported: {there}" == str(caught.value)


def test_a_long_accept_is_not_read():
    """It would take longer than the rest of the request."""
    with pytest.raises(NotAcceptableError, match="longer than 1024 characters"):
        choose_form("text/html," * 103, needs_json=False)


def test_what_only_json_can_hold_is_answered_in_json():
    """If it is wanted at all."""
    assert JSON == choose_form("application/x-npy, application/json;q=0.1", needs_json=True)
    with pytest.raises(NotAcceptableError, match=r"application/json \(with top_k or fields\)"):
        choose_form("application/x-npy", needs_json=True)


def written(*fields: str, top_k: int = 0, shape=GREY, notes=NOTES) -> list[dict]:
    """Write an answer with some fields; gives its predictions."""
    images = Images(2, PIXELS, notes)
    content = encode_fields(
        PREDICTION, "shapes", fields=frozenset(fields), top_k=top_k, images=images, shape=shape
    )
    document = json.loads(content)
    assert {"name": "shapes", "version": 7} == document["model"]
    return document["predictions"]


def test_the_usual_fields_are_the_usual_answer():
    """Whichever way it is written."""
    usual = json.loads(encode_predictions(PREDICTION, "shapes"))["predictions"]

    assert usual == written(*USUAL_FIELDS)


def test_fields_stand_in_one_order():
    """However they were asked for."""
    assert list(FIELDS) == list(written(*reversed(FIELDS))[0])


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_may_stand_alone(name):
    """And then nothing else does."""
    assert [{name}, {name}] == [set(one) for one in written(name)]


def test_top_lists_the_likeliest_classes():
    """The first is the answer, also where several are as likely."""
    first, second = (one["top"] for one in written("top", top_k=2))

    assert [
        {"label": "square", "class": 1, "probability": 0.7},
        {"label": "star", "class": 2, "probability": 0.2},
    ] == first
    assert [("circle", 0.4), ("star", 0.4)] == [(x["label"], x["probability"]) for x in second]


def test_top_without_a_number_lists_all():
    """In their order."""
    assert [1, 2, 0] == [one["class"] for one in written("top")[0]["top"]]


def test_pixels_are_what_the_model_saw():
    """Rows of numbers; of several channels each pixel is a list."""
    assert [[0, 1, 2], [3, 4, 5]] == written("pixels")[0]["pixels"]
    assert [[[6, 7, 8]], [[9, 10, 11]]] == written("pixels", shape=COLOUR)[1]["pixels"]


def test_notes_are_of_each_image():
    """Images that are no pictures have none."""
    assert [["inverted", "blank"], []] == [one["notes"] for one in written("notes")]
    assert [[], []] == [one["notes"] for one in written("notes", notes=None)]


@pytest.mark.parametrize("given", [PROBABILITIES, PROBABILITIES.astype(">f4")])
def test_numbers_are_little_endian(given):
    """NumPy's format says so, and raw ones always are."""
    npy, raw = encode_numbers(given, NPY), encode_numbers(given, RAW)

    read = np.load(io.BytesIO(npy), allow_pickle=False)
    assert ("<f4", (2, 3)) == (read.dtype.str, read.shape)
    assert np.array_equal(PROBABILITIES, read)
    assert PROBABILITIES.tobytes() == raw
