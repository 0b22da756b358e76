"""A fake service without a network, and a fake clock."""

from __future__ import annotations

import io
import re

import httpx
import numpy as np

CLASSES = ("circle", "square", "star")
SHAPE = (2, 2)


class FakeService:
    """Predicts an image's first pixel as its class, and 0, 1, ... for several pictures.

    `script` is answered first: responses, and exceptions for the transport to raise.
    """

    def __init__(self, *, max_images=100):
        self.max_images = max_images
        self.script = []
        self.requests = []
        self.version = 3

    def __call__(self, request):
        request.read()
        self.requests.append(request)
        if self.script:
            scripted = self.script.pop(0)
            if isinstance(scripted, Exception):
                raise scripted
            return scripted
        if request.url.path.endswith("/predict"):
            return self._predict(request)
        return self._tell(request)

    async def later(self, request):
        """Answer, for the client that awaits."""
        return self(request)

    @property
    def paths(self):
        """Return the paths of the requests."""
        return [request.url.path for request in self.requests]

    @property
    def images(self):
        """Return the first pixels of each request that was sent as an array."""
        return [marks(request) for request in self.requests]

    def _predict(self, request):
        found = marks(request)
        if len(found) > self.max_images:
            said = {"error": "too many images", "found": len(found), "limit": self.max_images}
            return httpx.Response(413, json=said)
        return answer(found, version=self.version, notes=media_type(request) != "application/x-npy")

    def _tell(self, request):
        version = {"version": 3, "state": "serving", "classes": CLASSES, "input_shape": [2, 2, 1]}
        model = {"name": "shapes", "ready": True, "reason": None, "default_version": 3}
        model |= {
            "labels": {"stable": 3},
            "versions": [version, {"version": 4, "state": "loading"}],
        }
        documents = {
            "/readyz": {"status": "ready"},
            "/models": {"default": "shapes", "models": [model]},
            "/models/shapes": model,
            "/example": {"instances": [[[1, 2], [3, 4]]]},
        }
        document = documents.get(request.url.path)
        if document is None:
            return httpx.Response(404, json={"error": f"there is no {request.url.path}"})
        return httpx.Response(200, json=document)


class FakeTime:
    """A clock that only pauses move."""

    def __init__(self):
        self.now = 100.0
        self.pauses = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    async def sleep_later(self, seconds):
        self.sleep(seconds)


def media_type(request):
    return request.headers["Content-Type"].partition(";")[0]


def marks(request):
    """Return the class of each image of a request."""
    if media_type(request) != "application/x-npy":
        return list(range(max(1, request.content.count(b'name="image"'))))
    array = np.load(io.BytesIO(request.content))
    return array.reshape(-1, 4)[:, 0].tolist()


def answer(classes, *, version=3, notes=False):
    """Return a response with predictions."""
    predictions = []
    for number in classes:
        kind = number % len(CLASSES)
        probabilities = [0.75 if n == kind else 0.125 for n in range(len(CLASSES))]
        one = {"label": CLASSES[kind], "class": kind, "probability": 0.75}
        one["probabilities"] = probabilities
        predictions.append(one | ({"notes": ["inverted"]} if notes else {}))
    document = {"predictions": predictions, "model": {"name": "shapes", "version": version}}
    headers = {"X-Request-Id": "abc", "Server-Timing": "queue;dur=500.000, inference;dur=250.000"}
    return httpx.Response(200, json=document, headers=headers)


def refusal(status, sentence="no", *, headers=None, **details):
    """Return a response with an error."""
    return httpx.Response(status, json={"error": sentence, **details}, headers=headers or {})


def stack(count):
    """Return images that are marked 0, 1, 2, ..."""
    return np.arange(count, dtype=np.uint8).repeat(4).reshape(count, *SHAPE)


def pattern(text):
    """Return a pattern that matches the text word for word."""
    return re.escape(text)
