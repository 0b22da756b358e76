"""Clients of other servers, over real HTTP: they work as they are."""

from __future__ import annotations

import asyncio
import io

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from PIL import Image
from tritonclient.http import aio

CLASSES = 10
DATATYPES = {
    "UINT8": np.uint8,
    "INT16": np.int16,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


@pytest.fixture(scope="module")
def address(service):
    """Return the service's address in the form that client expects."""
    return f"127.0.0.1:{service.port}"


@pytest.fixture(scope="module")
def client(address):
    """Connect a client of Triton."""
    with triton.InferenceServerClient(address) as client:
        yield client


@pytest.fixture(scope="module")
def images(service):
    """Return a seven, a blank image, and noise."""
    seven = np.array(service.get("/example").json()["instances"][0], np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    return np.stack([seven, np.zeros_like(seven), noise])[..., np.newaxis]


@pytest.fixture(scope="module")
def expected(service, images):
    """Return the answers of `/predict`, one by one: a batch may differ in the last bit."""
    answers = service.predict({"instances": images[..., 0].tolist()}).json()["predictions"]
    return np.array([answer["probabilities"] for answer in answers], np.float32)


def test_the_server_introduces_itself(client):
    """It lives, is ready, and names the model that it has."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("mnist")
    assert client.is_model_ready("mnist", "1")
    assert not client.is_model_ready("none")
    assert "glyph" == client.get_server_metadata()["name"]
    assert ["1"] == client.get_model_metadata("mnist")["versions"]
    (entry,) = client.get_model_repository_index()
    assert ("mnist", "1", "READY") == (entry["name"], entry["version"], entry["state"])


@pytest.mark.parametrize("binary", [True, False], ids=["bytes", "JSON"])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_encoding_gets_the_same_probabilities(client, images, expected, datatype, binary):
    """To the last bit those of `/predict`, whatever the numbers come and go in."""
    if datatype == "FP16" and not binary:
        pytest.skip("that client does not write FP16 as JSON")
    asked = _input(images.astype(DATATYPES[datatype]), datatype, binary=binary)
    wanted = triton.InferRequestedOutput("probabilities", binary_data=binary)
    options = {"outputs": [wanted], "request_id": "a-7", "priority": 1, "timeout": 5_000_000}

    answer = client.infer("mnist", [asked], model_version="1", **options)

    assert np.array_equal(expected, answer.as_numpy("probabilities"))
    said = answer.get_response()
    assert ("mnist", "1", "a-7") == (said["model_name"], said["model_version"], said["id"])


def test_pictures_get_the_same_probabilities(client, images, expected):
    """Files behind the JSON; those that fit are taken pixel for pixel, and one is all black."""
    files = np.array([[_png(image)] for image in images[..., 0]], object)

    answer = client.infer("mnist", [_input(files, "BYTES")])

    assert np.array_equal(expected, answer.as_numpy("probabilities"))
    assert '[[],["blank"],[]]' == answer.get_response()["parameters"]["notes"]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_requests_are_answered(client, images, expected, coding):
    """Both codings that the client has."""
    asked = _input(images.reshape(3, 784))

    answer = client.infer("mnist", [asked], request_compression_algorithm=coding)

    assert np.array_equal(expected, answer.as_numpy("probabilities"))


@pytest.mark.parametrize("binary", [True, False], ids=["bytes", "JSON"])
def test_the_likeliest_classes(client, images, expected, binary):
    """As text: probability, number and name."""
    wanted = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)

    answer = client.infer("mnist", [_input(images[:1])], outputs=[wanted])

    (texts,) = answer.as_numpy("probabilities")
    best = texts[0].decode() if binary else texts[0]
    assert (1, 2) == answer.as_numpy("probabilities").shape
    assert "7:7" == best.partition(":")[2]
    assert expected[0, 7] == np.float32(best.partition(":")[0])


def test_what_was_asked_is_counted(client, images):
    """Requests, images and batches of the version that was asked."""
    before = client.get_inference_statistics("mnist", "1")["model_stats"][0]
    client.infer("mnist", [_input(images)])
    after = client.get_inference_statistics("mnist", "1")["model_stats"][0]

    assert before["inference_count"] + 3 == after["inference_count"]
    assert before["execution_count"] < after["execution_count"]
    requests_ = [of["inference_stats"]["success"]["count"] for of in (before, after)]
    assert requests_[0] + 1 == requests_[1]
    assert 3 in [of["batch_size"] for of in after["batch_stats"]]


def test_refusals_reach_the_client(client, images):
    """With their status and their sentence."""
    with pytest.raises(triton.InferenceServerException, match="there is no model 'none'") as caught:
        client.infer("none", [_input(images)])
    assert "404" == caught.value.status()

    wanted = triton.InferRequestedOutput("scores")
    with pytest.raises(triton.InferenceServerException, match="unexpected inference output"):
        client.infer("mnist", [_input(images)], outputs=[wanted])


def test_clients_on_an_event_loop(address, images, expected):
    """Many requests of one client at once."""

    async def ask():
        async with aio.InferenceServerClient(address) as client:
            assert await client.is_server_ready()
            asked = [client.infer("mnist", [_input(images)]) for _ in range(8)]
            return await asyncio.gather(*asked)

    for answer in asyncio.run(ask()):
        assert np.array_equal(expected, answer.as_numpy("probabilities"))


def test_an_image_and_nothing_else(service, images, expected):
    """784 bytes in, 40 bytes and their JSON out."""
    headers = {"Inference-Header-Content-Length": "0"}
    url = f"{service.url}/v2/models/mnist/infer"

    answer = requests.post(url, images[0].tobytes(), headers=headers, timeout=30)

    length = int(answer.headers["Inference-Header-Content-Length"])
    probabilities = np.frombuffer(answer.content[length:], "<f4")
    assert probabilities.argmax() == expected[0].argmax()
    assert np.allclose(expected[0], probabilities)


def _png(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def _input(images, datatype="UINT8", *, binary=True):
    tensor = triton.InferInput("images", list(images.shape), datatype)
    return tensor.set_data_from_numpy(images, binary_data=binary)
