"""The service that most people write: Flask, the model called once per request.

It is written as the manuals show it and not slower than need be: the model is loaded once per
worker, called through its signature, and safe to call from several threads.
"""

from __future__ import annotations

import numpy as np
from flask import Flask, jsonify, request

CLASSES = "0123456789"


def create_app(runtime: str, path: str) -> Flask:
    """Build the application around a SavedModel."""
    classify = {"tensorflow": _tensorflow, "openvino": _openvino}[runtime](path)
    app = Flask(__name__)

    @app.post("/predict")
    def predict():
        instances = request.get_json()["instances"]
        images = np.array(instances, dtype=np.uint8).reshape(-1, 28, 28, 1)
        predictions = []
        for probabilities in classify(images):
            best = int(probabilities.argmax())
            predictions.append(
                {
                    "label": CLASSES[best],
                    "class": best,
                    "probability": float(probabilities[best]),
                    "probabilities": probabilities.tolist(),
                }
            )
        return jsonify(predictions=predictions)

    return app


def _tensorflow(path):
    import tensorflow as tf  # noqa: PLC0415 - only if chosen

    model = tf.saved_model.load(path)
    signature = model.signatures["serving_default"]

    def classify(images):
        return signature(images=tf.constant(images))["probabilities"].numpy()

    classify.model = model  # the signature does not keep the variables
    return classify


def _openvino(path):
    import openvino  # noqa: PLC0415 - only if chosen

    compiled = openvino.compile_model(path, "CPU")

    def classify(images):
        return compiled.infer_new_request({"images": images})[0]

    return classify
