"""What is said of predictions: images in, classes and probabilities out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from app.web.bodies import LONGEST_TIMEOUT_MS, TIMEOUT_HEADER
from app.web.openapi.operation import Operation, answer, component, json_of
from app.web.openapi.refusals import headers
from app.web.openapi.schemas import NUMBER, STRING, VERSION, either, list_of, record

if TYPE_CHECKING:
    from app.web.openapi.facts import Facts, Shape

Json = dict[str, Any]

TAG = "Predictions"
REFUSED = (400, 404, 408, 413, 415, 429, 500, 503, 504)
TIMEOUT: Json = {
    "name": TIMEOUT_HEADER,
    "in": "header",
    "description": "How long the caller waits, in milliseconds.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_TIMEOUT_MS},
}
REQUEST_ID: Json = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "Echoed and logged, if it is up to 128 letters, digits and any of `._:-`.",
    "schema": STRING,
}
_PIXEL: Json = {"type": "integer", "minimum": 0, "maximum": 255}
_ROUTES = {
    "POST /predict": "predict",
    "POST /models/<name>/predict": "predictWithModel",
    "POST /models/<name>/versions/<version>/predict": "predictWithVersion",
    "POST /models/<name>/labels/<label>/predict": "predictWithLabel",
}


def operations(facts: Facts) -> list[Operation]:
    """Describe the routes that predict, and those that give a body for them."""
    return [*(_predict(route, facts) for route in _ROUTES), *_examples(facts)]


def schemas(facts: Facts) -> dict[str, Json]:
    """Describe what goes in and what comes out."""
    prediction = record(
        {
            "label": STRING | {"description": "Name of the likeliest class."},
            "class": {"type": "integer", "minimum": 0, "description": "Its place in the list."},
            "probability": NUMBER,
            "probabilities": list_of(NUMBER, description="Of every class, in order."),
        }
    )
    images = list_of(component("Image"), minItems=1, maxItems=facts.bounds.max_images)
    return {
        "Image": _image(facts.shapes),
        "Images": record({"instances": images}),
        "Prediction": prediction,
        "Predictions": record(
            {
                "predictions": list_of(component("Prediction"), minItems=1),
                "model": record({"name": STRING, "version": VERSION}),
            }
        ),
    }


def _image(shapes: tuple[Shape, ...]) -> Json:
    """Describe an image, in every form that something here takes."""
    about = {"description": "Whole numbers: 0 is background, 255 is ink."}
    if not shapes:
        return {"type": "array", **about}
    return either(*(form for shape in shapes for form in _forms(shape))) | about


def _forms(shape: Shape) -> list[Json]:
    rows, columns, channels = shape
    forms = [list_of(_PIXEL, math.prod(shape))]
    forms.append(list_of(list_of(list_of(_PIXEL, channels), columns), rows))
    if channels == 1:
        forms.insert(0, list_of(list_of(_PIXEL, columns), rows))
    return forms


def _predict(route: str, facts: Facts) -> Operation:
    bounds = facts.bounds
    given = answer(
        "One prediction for each image, in order.",
        json_of(component("Predictions")),
        headers=headers("Server-Timing"),
    )
    return Operation(
        route=route,
        name=_ROUTES[route],
        tag=TAG,
        about=f"At most {bounds.max_images} images and {bounds.max_body_bytes} bytes; "
        f"within {bounds.timeout_ms} ms, unless the caller says otherwise.",
        parameters=(TIMEOUT, REQUEST_ID),
        body={"required": True, "content": _content(facts)},
        answers={200: given},
        refusals=REFUSED,
    )


def _content(facts: Facts) -> Json:
    size = math.prod(facts.shapes[0]) if facts.shapes else 784
    raw = {"description": f"The pixels themselves, a byte each: {size} bytes an image."}
    body = json_of(component("Images"), **example_of(facts))
    return body | {"application/octet-stream": {"schema": raw}}


def example_of(facts: Facts) -> Json:
    """Give a golden image as an example, if there is one."""
    return {} if facts.image is None else {"example": {"instances": [facts.image]}}


def _examples(facts: Facts) -> list[Operation]:
    given = answer(
        "A golden image of the default version.", json_of(component("Images"), **example_of(facts))
    )
    return [
        Operation(
            route=route,
            name=name,
            tag=TAG,
            answers={200: given},
            refusals=(404, 429, 503, 504),
        )
        for route, name in (
            ("GET /example", "example"),
            ("GET /models/<name>/example", "exampleOfModel"),
        )
    ]
