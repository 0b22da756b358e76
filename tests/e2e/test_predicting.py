"""What callers get, over real HTTP."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from training.data import idx

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


def test_the_example_is_answered_right(service):
    """The first golden image is a seven, and the answer says which version thinks so."""
    answer = service.predict(service.get("/example").json())

    assert 200 == answer.status_code
    prediction = answer.json()["predictions"][0]
    assert ("7", 7) == (prediction["label"], prediction["class"])
    assert prediction["probability"] == max(prediction["probabilities"])
    assert {"name": "mnist", "version": 1} == answer.json()["model"]


def test_every_layout_gets_the_same_answer(service):
    """Rows, a flat list and a channel axis are the same image, alone or together."""
    image = np.array(service.get("/example").json()["instances"][0])
    layouts = [image.tolist(), image.ravel().tolist(), image[..., np.newaxis].tolist()]

    alone = [service.predict({"instances": [one]}).json()["predictions"][0] for one in layouts]
    together = service.predict({"instances": layouts}).json()["predictions"]

    assert [alone[0]] * 3 == alone
    assert [alone[0]["label"]] * 3 == [one["label"] for one in together]


def test_many_images_come_back_in_order(service):
    """A request larger than the largest batch is answered whole and in order."""
    image = np.array(service.get("/example").json()["instances"][0])
    blank = np.zeros_like(image)
    instances = [(image if n % 3 else blank).tolist() for n in range(200)]

    labels = [p["label"] for p in service.predict({"instances": instances}).json()["predictions"]]

    of_blank = labels[0]
    assert [("7" if n % 3 else of_blank) for n in range(200)] == labels


def test_a_connection_outlives_a_refusal(service):
    """After a body that was not read, the same connection serves the next request."""
    with requests.Session() as session:
        headers = {"Content-Type": "text/plain"}
        body = b"x" * 100_000
        refused = session.post(f"{service.url}/predict", data=body, headers=headers, timeout=10)
        answered = session.get(f"{service.url}/healthz", timeout=10)

    assert (415, 200) == (refused.status_code, answered.status_code)


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_an_oversized_body_is_refused(service, chunked):
    """A body over the bound gets 413 even if what was read so far would do."""
    body = json.dumps(service.get("/example").json()).encode() + b" " * 9_000_000
    data = iter([body[:4_000_000], body[4_000_000:]]) if chunked else body
    headers = {"Content-Type": "application/json"}

    refused = requests.post(f"{service.url}/predict", data=data, headers=headers, timeout=30)

    assert 413 == refused.status_code
    expected = "the body is larger than 8388608 bytes; send fewer images per request"
    assert expected == refused.json()["error"]


def test_a_body_that_stops_midway_gets_a_timeout(service):
    """Who announces more than they send is answered at their deadline."""
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: 1000\r\nX-Request-Timeout-Ms: 200\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as caller:
        caller.sendall(head)
        answer = b""
        while not answer.endswith(b"}\n"):
            answer += caller.recv(65536)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'{"error":"the body did not arrive within 0.2 s","code":"body.timeout"}' in answer


def test_100_000_brackets_are_refused_and_the_service_lives(service):
    """A document nested beyond reason is a 400, and the next request is answered."""
    headers = {"Content-Type": "application/json"}
    deep = b"[" * 100_000

    refused = requests.post(f"{service.url}/predict", data=deep, headers=headers, timeout=10)

    assert 400 == refused.status_code
    assert "the JSON is nested too deep; an image has 3 levels" == refused.json()["error"]
    assert 200 == service.get("/healthz").status_code


def test_the_readmes_requests_run_as_written(service, tmp_path):
    """Pictures by curl: alone, in a form, compressed, and answered in numbers."""
    section = (GUIDES / "predicting.md").read_text(encoding="utf-8")
    script = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1]
    script = script.replace("http://127.0.0.1:8000", service.url)
    script = script.replace(".venv/bin/python", sys.executable)

    ran = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    alone, form, zipped = [json.loads(line)["predictions"] for line in ran.stdout.splitlines()]
    assert ["7"] == [one["label"] for one in alone]
    assert [{"label", "notes"}] * 2 == [set(one) for one in form]
    assert ["7", 3] == [zipped[0]["top"][0]["label"], len(zipped[0]["top"])]
    numbers = np.load(tmp_path / "probabilities.npy")
    assert np.array_equal(np.array([alone[0]["probabilities"]], np.float32), numbers)


@pytest.mark.skipif("GLYPH_DATA_DIR" not in os.environ, reason="GLYPH_DATA_DIR names no MNIST")
def test_accuracy_over_http_is_the_published_one(service):
    """All 10,000 test images over HTTP score exactly what the version's metadata says."""
    _, test = idx.read_directory(Path(os.environ["GLYPH_DATA_DIR"]))
    right = 0
    with requests.Session() as session:
        for start in range(0, len(test), 100):
            images = test.images[start : start + 100, ..., 0].tolist()
            answer = session.post(f"{service.url}/predict", json={"instances": images}, timeout=30)
            classes = [p["class"] for p in answer.json()["predictions"]]
            right += int((np.array(classes) == test.labels[start : start + 100]).sum())

    assert service.get("/readyz").json()["versions"][0]["accuracy"] == right / len(test)
