"""What a program that was written for TensorFlow Serving gets, over real HTTP."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import requests

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
SECTION = (GUIDES / "tensorflow-serving.md").read_text(encoding="utf-8")
COMMANDS = SECTION.partition("```sh\n")[2].partition("```")[0]


def test_every_form_gets_the_answer_of_predict(service):
    """To the last bit, with the version in a header."""
    rows = service.get("/example").json()["instances"]
    predictions = service.predict({"instances": rows}).json()["predictions"]
    channels = np.array(rows)[..., np.newaxis].tolist()
    expected = [one["probabilities"] for one in predictions]

    for which in ("", "/versions/1"):
        url = f"{service.url}/v1/models/mnist{which}:predict"
        for document, key in (
            ({"signature_name": "serving_default", "instances": channels}, "predictions"),
            ({"instances": [{"images": channels[0]}]}, "predictions"),
            ({"instances": rows}, "predictions"),
            ({"inputs": channels}, "outputs"),
            ({"inputs": {"images": channels}}, "outputs"),
        ):
            answer = requests.post(url, data=json.dumps(document), timeout=10)

            assert {key: expected} == answer.json()
            assert "1" == answer.headers["Glyph-Version"]


def test_the_readmes_commands_work(service):
    """As they are written, but for the port."""
    commands = COMMANDS.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}")
    shell = subprocess.run(
        ["bash", "-euo", "pipefail"], input=commands, capture_output=True, text=True, check=True
    )
    read, documents = json.JSONDecoder(), []
    text = shell.stdout
    while text := text.lstrip():
        document, end = read.raw_decode(text)
        documents.append(document)
        text = text[end:]

    status, metadata, answer = documents
    assert ("1", "AVAILABLE") == tuple(
        status["model_version_status"][0][key] for key in ("version", "state")
    )
    assert {"name": "mnist", "signature_name": "", "version": "1"} == metadata["model_spec"]
    assert 7 == int(np.argmax(answer["predictions"][0]))


def test_paths_are_taken_apart_as_they_were_sent(service):
    """What a server decodes of them may be part of a name."""
    answers = [service.get(f"/v1/models/{name}") for name in ("mn%69st", "a%2Fb", "//mnist")]

    assert [200, 404, 400] == [answer.status_code for answer in answers]
    assert [
        "Could not find any versions of model a/b",
        "Malformed request: GET /v1/models///mnist",
    ] == [answer.json()["error"] for answer in answers[1:]]


def test_a_connection_outlives_a_malformed_request(service):
    """Its body was not read."""
    with requests.Session() as session:
        wrong = f"{service.url}/v1/models/mnist:explain"
        refused = session.post(wrong, data=b"x" * 100_000, timeout=10)
        answered = session.get(f"{service.url}/v1/models/mnist", timeout=10)

    assert (400, 200) == (refused.status_code, answered.status_code)
