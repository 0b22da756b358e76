"""Writes predictions as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from app.web.channel import Prediction


def encode_predictions(prediction: Prediction, model: str) -> bytes:
    """Render probabilities with the class they speak for, and the version that gave them.

    Numbers are written as float32: the shortest decimals that give the same 32 bits.
    """
    answer = prediction.answer
    best = answer.probabilities.argmax(axis=1)
    predictions = [
        {
            "label": prediction.classes[index],
            "class": index,
            "probability": probabilities[index],
            "probabilities": probabilities,
        }
        for index, probabilities in zip(best.tolist(), answer.probabilities, strict=True)
    ]
    document = {
        "predictions": predictions,
        "model": {"name": model, "version": answer.version},
    }
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)
