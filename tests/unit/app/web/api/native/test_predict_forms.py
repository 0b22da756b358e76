"""POST /predict in all its forms: what a body may be, what a query may ask, how it is answered."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest

from imaging.preparation import EXACT, Preparation, usual

STAR = [[2, 0], [0, 255]]
PICTURE = b"picture 2"
STARS = {"label": "star", "class": 2, "probability": 0.75, "probabilities": [0.125, 0.125, 0.75]}


@pytest.fixture
def ask(client):
    """Return a function that posts a star, or another body, with a query and headers."""

    def run(query="", data=None, content_type="application/json", accept=None, **options):
        content = json.dumps({"instances": [STAR]}) if data is None else data
        headers = {} if accept is None else {"Accept": accept}
        options |= {"content_type": content_type, "headers": headers}
        return client.post(f"/predict{query}", data=content, **options)

    return run


def npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp"])
def test_a_picture_is_answered(ask, reader, kind):
    """With notes on it; its file is told from others by what is in it."""
    response = ask(data=PICTURE, content_type=f"image/{kind}")

    assert 200 == response.status_code
    assert [STARS | {"notes": ["inverted"]}] == response.json["predictions"]
    assert [PICTURE] == reader.asked[0][0]


@pytest.mark.parametrize("kind", ["jpg", "pjpeg", "x-png", "x-ms-bmp", "gif", "*"])
def test_a_picture_by_any_name_is_answered(ask, kind):
    """Whoever reads it looks at its content."""
    assert 200 == ask(data=PICTURE, content_type=f"image/{kind}").status_code


@pytest.mark.parametrize("kind", ["vnd.api+json", "LD+JSON; charset=utf-8"])
def test_json_by_any_name_is_answered(ask, kind):
    """A suffix says that it is JSON too."""
    assert 200 == ask(content_type=f"application/{kind}").status_code


@pytest.mark.parametrize("kind", ["", "*/*", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize(
    "body",
    [
        b' \r\n{"instances": [[[2, 0], [0, 255]]]}',
        b"[[2, 0], [0, 255]]",
        b"\x89PNG\r\n\x1a\n picture 2",
        b"\xff\xd8\xff picture 2",
        npy(np.array(STAR)),
    ],
    ids=["object", "array", "PNG", "JPEG", "npy"],
)
def test_where_nobody_says_what_a_body_is_its_content_does(ask, kind, body):
    """As curl sends it that was told nothing."""
    said = 400 if body.startswith(b"[") else 200  # it is JSON, but no object

    assert said == ask(data=body, content_type=kind).status_code


@pytest.mark.parametrize("body", [b"", b"digit=7", b" " * 999 + b"{}", bytes(4)])
def test_where_nothing_says_what_a_body_is_it_is_refused(ask, channel, body):
    """Raw pixels look like nothing, so they must be named."""
    response = ask(data=body, content_type="")

    assert 415 == response.status_code
    assert response.json["error"].startswith("Content-Type is missing; application/json, ")
    assert [] == channel.waits


def test_pictures_are_read_for_the_model_and_until_the_deadline(ask, reader, clock):
    """As the query wants them; by default only those are prepared that do not fit."""
    ask(data=PICTURE, content_type="image/png")
    ask("?prepare=never", data=PICTURE, content_type="image/png")

    expected = [([PICTURE], (2, 2, 1), how, clock.now + 5) for how in (usual(1), EXACT)]
    assert expected == reader.asked


def test_the_files_of_a_form_are_answered_in_order(ask):
    """One prediction for each."""
    files = [(io.BytesIO(b"picture %d" % n), f"{n}.png") for n in (2, 1, 0)]

    response = ask(data={"files": files}, content_type="multipart/form-data")

    assert ["star", "square", "circle"] == [p["label"] for p in response.json["predictions"]]
    assert [["inverted"]] * 3 == [p["notes"] for p in response.json["predictions"]]


def test_the_file_that_is_at_fault_is_named(ask, channel):
    """By its place and name."""
    files = [(io.BytesIO(content), "a.png") for content in (PICTURE, b"broken")]

    response = ask(data={"files": files}, content_type="multipart/form-data")

    assert 400 == response.status_code
    sentence = "file 1 ('a.png'): the picture is broken"
    assert {"error": sentence, "code": "image.unreadable"} == response.json
    assert [] == channel.asked


def test_pictures_may_stand_in_json(ask):
    """As base64, beside images of numbers."""
    instances = [STAR, {"b64": base64.b64encode(b"picture 1").decode()}]

    response = ask(data=json.dumps({"instances": instances}))

    assert [("star", []), ("square", ["inverted"])] == [
        (one["label"], one["notes"]) for one in response.json["predictions"]
    ]


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32])
def test_an_array_is_answered(ask, kind):
    """One that fits is no picture, and has no notes."""
    response = ask(data=npy(np.array([STAR], kind)), content_type="application/x-npy")

    assert [STARS] == response.json["predictions"]


@pytest.mark.parametrize(
    ("shape", "count", "picture"),
    [
        ((5, 7), 1, (5, 7)),
        ((3, 5, 7), 3, (5, 7)),
        ((5, 6, 3), 1, (5, 6, 3)),
        ((5, 6, 4), 1, (5, 6, 4)),
        ((2, 5, 6, 3), 2, (5, 6, 3)),
        ((2, 5, 6, 1), 2, (5, 6, 1)),
    ],
)
def test_an_array_of_another_size_is_pictures(ask, reader, shape, count, picture):
    """Grey or coloured, one or many."""
    response = ask(data=npy(np.full(shape, 2, np.uint8)), content_type="application/x-npy")

    assert 200 == response.status_code
    assert [picture] * count == [one.shape for one in reader.asked[0][0]]
    assert ["inverted"] == response.json["predictions"][0]["notes"]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 5), np.int16),
        np.zeros((1, 1, 5, 6, 3), np.uint8),
        np.zeros((2, 5, 6, 2), np.uint8),
        np.zeros((0, 5, 6), np.uint8),
        np.zeros(5, np.uint8),
    ],
    ids=lambda array: str(array.shape),
)
def test_other_arrays_are_refused(ask, reader, array):
    """They are no pictures, or not of bytes."""
    response = ask(data=npy(array), content_type="application/x-npy")

    assert 400 == response.status_code
    assert f"the array's shape is {array.shape}; (2, 2), (n, 2, 2)" in response.json["error"]
    assert [] == reader.asked


def test_an_array_that_fits_is_prepared_where_that_is_asked_for(ask, reader):
    """Only bytes are pictures; numbers of JSON are taken as they are."""
    ask("?prepare=always", data=npy(np.array([STAR], np.uint8)), content_type="application/x-npy")
    ask("?prepare=always", data=npy(np.array([STAR])), content_type="application/x-npy")
    ask("?prepare=always")

    assert [Preparation("digit")] == [asked[2] for asked in reader.asked]


@pytest.mark.parametrize("kind", ["array", "JSON", "form"])
def test_too_many_pictures_are_refused(ask, reader, kind):
    """Before any is read."""
    data = {
        "array": npy(np.zeros((5, 6, 5), np.uint8)),
        "JSON": json.dumps({"instances": [{"b64": "AAAA"}] * 5}),
        "form": {"files": [(io.BytesIO(b""), "a.png") for _ in range(5)]},
    }
    types = {"array": "application/x-npy", "form": "multipart/form-data"}
    response = ask(data=data[kind], content_type=types.get(kind, "application/json"))

    assert 413 == response.status_code
    assert 4 == response.json["limit"]
    assert [] == reader.asked


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?fields=label", {"label": "star"}),
        ("?fields=class,pixels", {"class": 2, "pixels": STAR}),
        ("?fields=label%2Cnotes", {"label": "star", "notes": []}),
        (
            "?top_k=2&fields=class",
            {
                "class": 2,
                "top": [
                    {"label": "star", "class": 2, "probability": 0.75},
                    {"label": "circle", "class": 0, "probability": 0.125},
                ],
            },
        ),
        ("?prepare=auto", STARS),
        ("?", STARS),
    ],
)
def test_what_is_answered_can_be_asked_for(ask, query, expected):
    """Field by field."""
    response = ask(query)

    assert [expected] == response.json["predictions"]
    assert {"name": "shapes", "version": 3} == response.json["model"]
    assert "application/json" == response.headers["Content-Type"]
    assert "queue;dur=500.000, inference;dur=250.000" == response.headers["Server-Timing"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?top_k=4", "top_k is '4'; a whole number from 1 to 3 is expected"),
        ("?top-k=1", "unknown query parameter 'top-k'; there are prepare, top_k, fields; did you"),
        ("?fields=%ff", "unknown name in fields: '\ufffd'; there are label"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(ask, channel, query, sentence):
    """And the host is not asked."""
    response = ask(query)

    assert 400 == response.status_code
    assert sentence in response.json["error"]
    assert [] == channel.asked


@pytest.mark.parametrize("accept", [None, "", "*/*", "application/json", "text/*, */*;q=0.1"])
def test_the_usual_answer_is_json(ask, accept):
    """Where nothing else is wanted."""
    response = ask(accept=accept)

    assert [STARS] == response.json["predictions"]
    assert "application/json" == response.headers["Content-Type"]


@pytest.mark.parametrize("kind", ["application/x-npy", "application/octet-stream"])
def test_probabilities_are_answered_as_numbers(ask, kind):
    """Alone; headers say which version of which model gave them."""
    response = ask(accept=kind)

    assert 200 == response.status_code
    assert kind == response.headers["Content-Type"]
    assert ("shapes", "3") == (response.headers["Glyph-Model"], response.headers["Glyph-Version"])
    assert "queue;dur=500.000, inference;dur=250.000" == response.headers["Server-Timing"]
    expected = np.array([[0.125, 0.125, 0.75]], np.float32)
    if kind == "application/x-npy":
        assert np.array_equal(expected, np.load(io.BytesIO(response.data)))
    else:
        assert expected.tobytes() == response.data


def test_an_answer_that_cannot_be_given_is_told_first(ask, channel):
    """Before the body is read."""
    response = ask(accept="text/html")

    assert 406 == response.status_code
    there = "application/json, application/x-npy, application/octet-stream"
    sentence = f"Accept 'text/html' is not supported; supported: {there}"
    assert {"error": sentence, "code": "accept.unsupported"} == response.json
    assert [] == channel.asked


def test_a_refusal_is_json_whatever_is_accepted(ask):
    """Numbers could not say it."""
    response = ask(data=b"", accept="application/x-npy")

    assert (400, "application/json") == (response.status_code, response.headers["Content-Type"])
