"""The floor: what the same workers and the same parsing cost when there is no model to ask.

It reads the same bodies into the same pixels and answers at once with as many bytes. What Glyph
adds to this is the channel to the model host, the host, and what happens around every request.
"""

from __future__ import annotations

from functools import cache

from flask import Flask, Response, request

from app.web.encodings.instances import decode_instances
from app.web.encodings.raw_pixels import decode_raw_pixels

SHAPE = (28, 28, 1)
PREDICTION = (
    b'{"label":"7","class":7,"probability":0.9999913,"probabilities":['
    b"7.476595e-10,0.000001464854,1.6370779e-8,2.1375021e-7,0.0000040013683,2.1349445e-8,"
    b"2.8559802e-10,0.9999913,7.709573e-10,0.0000029067717]}"
)

app = Flask(__name__, static_folder=None)


@app.post("/predict")
def predict():
    """Parse, and answer."""
    body = request.get_data(cache=False)
    decode = decode_instances if request.mimetype == "application/json" else decode_raw_pixels
    images = decode(body, SHAPE, 1024)
    return Response(_answer(images.rows), mimetype="application/json")


@cache
def _answer(count: int) -> bytes:
    predictions = b",".join([PREDICTION] * count)
    return b'{"predictions":[' + predictions + b'],"model":{"name":"mnist","version":1}}\n'
