"""The applications that Glyph is measured beside answer what it answers."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
import orjson
import pytest

from app.ipc.frames import Answer
from app.web.host_client.client import Prediction
from app.web.prediction.responses import encode_predictions
from model_store import Golden
from model_store.operations.starter import STARTER
from tests.benchmarks import floor, naive
from tests.benchmarks.cases import Load
from tests.benchmarks.load import CONTENT_TYPES, encode
from tests.service import ROOT

VERSION = STARTER / "mnist" / "1"


@pytest.fixture(scope="module")
def golden():
    return Golden.read(VERSION)


def glyphs_answer(golden, images):
    """Write what Glyph answers to the first few golden images."""
    answer = Answer(1, 0.0, 0.0, golden.probabilities[:images])
    return encode_predictions(Prediction(answer, tuple("0123456789")), "mnist")


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_the_naive_service_predicts(golden, runtime):
    """The same labels and probabilities."""
    client = naive.create_app(runtime, str(VERSION)).test_client()
    body = encode(golden.images, Load(3, "json", 1))

    found = client.post("/predict", data=body, content_type="application/json").json["predictions"]

    expected = orjson.loads(glyphs_answer(golden, 3))["predictions"]
    assert [p["label"] for p in expected] == [p["label"] for p in found]
    for mine, theirs in zip(expected, found, strict=True):
        np.testing.assert_allclose(
            theirs["probabilities"], mine["probabilities"], atol=golden.tolerance
        )


async def ask(application, body, content_type):
    """Return the body that an ASGI application answers with."""
    scope = {"type": "http", "headers": [(b"content-type", content_type.encode())]}
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    await application(scope, receive, send)
    assert 200 == sent[0]["status"]
    return sent[1]["body"]


@pytest.mark.parametrize("kind", ["json", "raw"])
@pytest.mark.parametrize("images", [1, 3])
def test_the_floor_answers_as_many_bytes(golden, kind, images):
    """The digits of the numbers may differ."""
    body = encode(golden.images, Load(images, kind, 1))

    found = asyncio.run(ask(floor.app, body, CONTENT_TYPES[kind]))

    assert images == len(orjson.loads(found)["predictions"])
    assert len(glyphs_answer(golden, images)) == pytest.approx(len(found), rel=0.15)


def test_the_cost_of_a_request_can_be_measured():
    """Every stage runs, from gunicorn's parser to the whole way."""
    command = [sys.executable, "-m", "tests.benchmarks.request_cost", "--rounds", "1"]

    command += ["--requests", "8"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)

    lines = done.stdout.splitlines()
    assert "| stage | µs of CPU |" == lines[0]
    assert lines[-1].startswith("| everything: ")
