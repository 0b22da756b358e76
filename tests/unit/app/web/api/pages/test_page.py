"""What people get at /, and programs."""

from __future__ import annotations

import base64
import html
import io
import re

import numpy as np
import pytest
from PIL import Image

from app.ipc.status import HostStatus
from app.web.http.errors import DeadlineError
from imaging.prepared import NOTES

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("accept", ["", "*/*", "application/json"], ids=["none", "curl", "JSON"])
def test_programs_get_a_front_page_of_json(client, accept):
    """What serves, and what can be asked."""
    response = client.get("/", headers={"Accept": accept})

    assert "application/json" == response.headers["Content-Type"]
    assert ("glyph", {"name": "shapes", "version": 3}) == (
        response.json["service"],
        response.json["model"],
    )
    assert "classify images with the default model" == response.json["routes"]["POST /predict"]


def test_every_route_that_the_front_page_names_is_there(client):
    """And the other way round, but for files of the pages, and what is only refused below /v1."""
    files = {"GET /static/<path:path>", "GET /favicon.ico", "GET /robots.txt"}
    named = set(client.get("/").json["routes"]) | files
    rules = client.application.url_map.iter_rules()

    assert named == {
        f"{method} {rule.rule}"
        for rule in rules
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if "<rest:" not in rule.rule
    }


def test_the_front_page_of_json_without_a_model(client, refused):  # noqa: ARG001
    """The version is null."""
    assert {"name": "shapes", "version": None} == client.get("/").json["model"]


@pytest.mark.usefixtures("two_models")
def test_every_model_is_on_the_front_page(client):
    """In JSON and for people; one that does not serve says why."""
    models = client.get("/").json["models"]
    page = client.get("/", headers=BROWSER).text

    assert [("shapes", 3), ("wide", 1), ("empty", None)] == [
        (model["name"], model["version"]) for model in models
    ]
    assert "<strong>wide</strong> version 1" in page
    assert "No version of <strong>empty</strong> serves: it is unloaded" in page
    assert "shapes version 5 was refused: golden image 2: NaN" in page
    assert "canary is version 4." in page


def test_a_store_that_cannot_be_read_is_on_the_front_page(client, channel):
    """What serves goes on, so nothing else would tell."""
    channel.status = channel.status.model_copy(update={"store_trouble": "the bucket is <away>"})

    page = client.get("/", headers=BROWSER).text

    assert "The store cannot be read: the bucket is &lt;away&gt;" in page


def test_people_get_a_page(client):
    """What serves, its classes and accuracy, a curl with the address that they used."""
    response = client.get("/", headers=BROWSER, base_url="http://glyph.example:8080")
    page = response.text

    assert "text/html; charset=utf-8" == response.headers["Content-Type"]
    assert re.search(r"<strong>shapes</strong> version 3,\s+openvino \(bf16\)", page)
    assert "Classes: circle, square, star." in page
    assert "98.76 %" in page
    assert "curl -s http://glyph.example:8080/example |" in page
    assert "http://glyph.example:8080/predict</pre>" in page


def test_the_page_draws_the_example(client):
    """Dark ink on white, as it would be on paper."""
    page = client.get("/", headers=BROWSER).text
    (encoded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))

    assert [[253, 255], [0, 248]] == np.asarray(picture).tolist()


def test_the_page_is_shown_without_an_example(client, channel):
    """It is of use while the model host is late."""
    channel.error = DeadlineError("no answer from the model host before the deadline")
    response = client.get("/", headers=BROWSER)

    assert (200, False) == (response.status_code, "data:image/png" in response.text)


def test_the_page_shows_no_large_example(client, channel, describe_serving):
    """It would be megabytes; it is not even fetched."""
    versions = {"versions": (describe_serving(3, input_shape=(2000, 1500, 3)),)}
    channel.status = HostStatus.of(channel.model().model_copy(update=versions))
    response = client.get("/", headers=BROWSER)

    assert (200, False) == (response.status_code, "data:image/png" in response.text)


def test_the_page_runs_and_shows_only_what_is_ours(client):
    """Its policy lets nothing in from elsewhere, nothing inline run, and nobody frame it."""
    response = client.get("/", headers=BROWSER)
    policy = response.headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert [] == re.findall(r"<style|<script(?! [^>]*src=)|\sstyle=|\son\w+=", response.text)


def test_everything_the_page_loads_is_there(client):
    """Under addresses that may be kept for good."""
    page = client.get("/", headers=BROWSER).text
    loaded = re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', page)

    assert loaded
    assert {200} == {client.get(url).status_code for url in loaded}
    assert all("immutable" in client.get(url).headers["Cache-Control"] for url in loaded)


def test_the_page_tells_why_nothing_serves(client, refused):  # noqa: ARG001
    """Reasons are shown as text: a file's name is no markup."""
    page = client.get("/", headers=BROWSER).text

    assert "No version of <strong>shapes</strong> serves: every version was refused" in page
    assert "shapes version 4 was refused: saved_model.pb: &lt;is missing&gt;" in page
    assert "curl" not in page
    assert 'id="try"' not in page


def test_what_the_script_imports_is_fetched_with_it(client):
    """Not one module after the other."""
    page = client.get("/", headers=BROWSER).text
    named = re.findall(r'<(?:link rel="modulepreload"|script)[^>]* (?:href|src)="([^"]+)"', page)
    scripts = {url.rpartition("/")[2]: client.get(url).text for url in named}
    imported = {name for text in scripts.values() for name in re.findall(r'"\./(.+?\.js)"', text)}

    assert imported | {"page.js"} == set(scripts)


@pytest.mark.usefixtures("two_models")
def test_the_page_knows_what_each_model_answers_with(client):
    """So it shows the classes before the first answer; what does not serve has none."""
    page = client.get("/", headers=BROWSER).text
    options = re.findall(
        r'<option value="(.+?)" data-version="(.*?)".+? data-classes="(.*?)"', page
    )

    classes = '["circle", "square", "star"]'
    assert [("shapes", "3", classes), ("wide", "1", classes), ("empty", "", "[]")] == [
        (name, version, html.unescape(labels)) for name, version, labels in options
    ]


@pytest.mark.parametrize(
    ("classes", "prompt"),
    [
        ("0123456789", "Draw a digit"),
        ("ABC", "Draw a character"),
        (("circle", "square", "star"), "Draw: circle, square or star"),
        (("<b>", "bag"), "Draw: &lt;b&gt; or bag"),
        (("a bag", "a boot", "a coat", "a dress", "a shirt", "a shoe"), "Draw something"),
    ],
)
def test_the_page_says_what_to_draw(client, channel, describe_serving, classes, prompt):
    """As far as the classes tell."""
    version = describe_serving(3, classes=tuple(classes))
    versions = {"versions": (version,)}
    channel.status = HostStatus.of(channel.model().model_copy(update=versions))

    assert f">{prompt}</h1>" in client.get("/", headers=BROWSER).text


def test_colours_are_drawn_as_they_are(client, channel, describe_serving):
    """An example of three channels is no ink."""
    channel.examples[1, 1, 3] = bytes([255, 0, 0])
    version = describe_serving(3, input_shape=(1, 1, 3))
    versions = {"versions": (version,)}
    channel.status = HostStatus.of(channel.model().model_copy(update=versions))

    page = client.get("/", headers=BROWSER).text
    (encoded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert (255, 0, 0) == Image.open(io.BytesIO(base64.b64decode(encoded))).getpixel((0, 0))


def test_every_note_about_a_picture_has_its_sentence(client):
    """The page says in words what was done to a picture, and what is doubtful."""
    page = client.get("/", headers=BROWSER).text
    (url,) = re.findall(r'href="([^"]+/answer\.js)"', page)
    sentences = re.findall(r'^  "(.+)": ".+\."', client.get(url).text, re.MULTILINE)

    assert set(NOTES) == set(sentences)
