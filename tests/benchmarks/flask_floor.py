"""The floor as it was: Flask, under gunicorn's own gevent worker, where gevent is installed."""

from __future__ import annotations

from flask import Flask, Response, request

from app.web.inputs.json_instances import decode_instances
from app.web.inputs.raw import decode_raw_pixels
from tests.benchmarks.floor import SHAPE, answer_of

app = Flask(__name__, static_folder=None)


@app.post("/predict")
def predict():
    """Parse, and answer."""
    body = request.get_data(cache=False)
    decode = decode_instances if request.mimetype == "application/json" else decode_raw_pixels
    images = decode(body, SHAPE, 1024)
    return Response(answer_of(images.rows), mimetype="application/json")
