"""The list of prediction routes is what the service counts predictions by."""

from __future__ import annotations

import re

import pytest

from app.web.prediction.routes import PREDICTION_ROUTES

NATIVE = {"instances": [[[0, 0], [0, 0]]]}
TENSOR = {"name": "images", "datatype": "UINT8", "shape": [1, 2, 2, 1], "data": [0, 0, 0, 0]}
BODIES = (NATIVE, {"inputs": [TENSOR]})
SLOTS = {"name": "shapes", "version": "3", "label": "stable"}
REST = "models/shapes"


@pytest.fixture
def counted(registry):
    """Return a function that finds the routes by which requests of a status were counted."""

    def run(status: int) -> set[str]:
        return {
            sample.labels["route"]
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "glyph_http_requests_total" and sample.labels["status"] == str(status)
        }

    return run


def fill(rule: str) -> str:
    return re.sub(
        r"<(?:rest:rest|path:path)>",
        REST,
        re.sub(r"<(\w+)>", lambda m: SLOTS.get(m[1], "load"), rule),
    )


@pytest.mark.usefixtures("two_models")
def test_what_asks_the_model_is_on_the_list_and_nothing_else_is(client, channel):
    """In both directions: every POST route of the application is tried with every kind of body."""
    predicting = set()
    for rule in client.application.url_map.iter_rules():
        for body in BODIES if "POST" in rule.methods else ():
            before = len(channel.asked)
            client.post(fill(rule.rule), json=body)
            if len(channel.asked) > before:
                predicting.add(rule.rule)

    assert set(PREDICTION_ROUTES) == predicting


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    "path",
    [
        "/V1/models/shapes:predict",
        "/v1/Models/shapes/versions/3:predict",
        "/v1/models/shapes/LABELS/stable:predict",
    ],
)
def test_a_prediction_is_counted_as_one_however_its_path_is_written(client, counted, path):
    """TensorFlow Serving's paths match in any case, which no rule of the application does."""
    assert 200 == client.post(path, json=NATIVE).status_code
    assert counted(200) <= set(PREDICTION_ROUTES)


@pytest.mark.usefixtures("two_models")
def test_failed_predictions_are_counted_by_the_same_routes(client, channel, counted):
    """An alert on failures sees every protocol."""
    channel.error = RuntimeError("broken")
    for route in PREDICTION_ROUTES:
        for body in BODIES:
            client.post(fill(route), json=body)

    assert set(PREDICTION_ROUTES) == counted(500)
