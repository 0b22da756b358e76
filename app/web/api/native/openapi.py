"""OpenAPI of predictions: images in, classes and probabilities out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

from app.web.openapi.common import REFUSED, REQUEST_ID, TIMEOUT, example_of, image_forms
from app.web.openapi.error_responses import headers
from app.web.openapi.operation import Operation, component, json_of, response
from app.web.openapi.schemas import NUMBER, STRING, VERSION, either, list_of, nothing_else, record
from app.web.prediction.query_options import FIELDS, USUAL_FIELDS
from app.web.prediction.responses import NPY, RAW
from imaging.preparation import Prepare

if TYPE_CHECKING:
    from app.web.openapi.live_values import Facts, Shape

Json = dict[str, Any]

TAG = "Predictions"
_FILE: Json = {"type": "string", "contentMediaType": "application/octet-stream"}
_ROUTES = {
    "POST /predict": "predict",
    "POST /models/<name>/predict": "predictWithModel",
    "POST /models/<name>/versions/<version>/predict": "predictWithVersion",
    "POST /models/<name>/labels/<label>/predict": "predictWithLabel",
}


def operations(facts: Facts) -> list[Operation]:
    """Describe the routes that predict, and those that return a body for them."""
    return [*(_predict(route, facts) for route in _ROUTES), *_examples(facts)]


def schemas(facts: Facts) -> dict[str, Json]:
    """Describe the requests and the responses."""
    likely: Json = {
        "label": STRING | {"description": "Name of the likeliest class."},
        "class": {"type": "integer", "minimum": 0, "description": "Its place in the list."},
        "probability": NUMBER,
    }
    prediction = record(
        {
            **likely,
            "probabilities": list_of(NUMBER, description="Of every class, in order."),
            "top": list_of(record(likely), description="The likeliest classes, in order."),
            "notes": list_of(STRING, description="What was done to a picture, and looks doubtful."),
            "pixels": {"type": "array", "description": "Model input, row by row."},
        },
        *FIELDS,
    )
    in_text = record({"b64": _FILE | {"contentEncoding": "base64"}})
    instance = either(component("Image"), nothing_else(in_text))
    images = list_of(instance, minItems=1, maxItems=facts.bounds.max_images)
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
    """Describe an image, in every layout that a model here takes."""
    about = {"description": "Whole numbers: 0 is background, 255 is ink."}
    if not shapes:
        return {"type": "array", **about}
    return either(*image_forms(shapes)) | about


def _predict(route: str, facts: Facts) -> Operation:
    bounds = facts.bounds
    given = response(
        "One prediction for each image, in order.",
        json_of(component("Predictions"))
        | {NPY: {"schema": _numbers("a float32 array (images, classes)")}}
        | {RAW: {"schema": _numbers("float32, little-endian, images x classes")}},
        headers=headers("Server-Timing"),
    )
    return Operation(
        route=route,
        name=_ROUTES[route],
        tag=TAG,
        about=f"At most {bounds.max_images} images and {bounds.max_body_bytes} bytes; "
        f"within {bounds.timeout_ms} ms, unless the caller says otherwise.",
        parameters=(*_query(facts), TIMEOUT, REQUEST_ID),
        body={"required": True, "content": _content(facts)},
        responses={200: given},
        errors=REFUSED,
    )


def _query(facts: Facts) -> tuple[Json, ...]:
    count: Json = {"type": "integer", "minimum": 1}
    if facts.most_classes:
        count["maximum"] = facts.most_classes
    return (
        {
            "name": "prepare",
            "in": "query",
            "description": "How pictures become pixels. `auto` does what was done in training, and "
            "takes a picture of the model's size pixel for pixel where it was trained on pixels; "
            "`always` prepares this one too; `never` takes all pixel for pixel, and refuses other "
            "sizes. `digit` finds, crops and centres ink as MNIST does; `fit` scales the whole "
            "picture; `exact` is as the version's, or `never`. Numbers are taken as they are.",
            "schema": {"type": "string", "enum": list(get_args(Prepare)), "default": "auto"},
        },
        {
            "name": "top_k",
            "in": "query",
            "description": "Adds `top`: so many of the likeliest classes.",
            "schema": count,
        },
        {
            "name": "fields",
            "in": "query",
            "description": "What each prediction has; by default "
            f"`{','.join(USUAL_FIELDS)}`, and `notes` on pictures.",
            "style": "form",
            "explode": False,
            "schema": {
                "type": "array",
                "items": {"type": "string", "enum": list(FIELDS)},
                "minItems": 1,
            },
        },
    )


def _numbers(form: str) -> Json:
    return {"description": f"Probabilities alone: {form}; headers name model and version."}


def _content(facts: Facts) -> Json:
    size = math.prod(facts.shapes[0]) if facts.shapes else 784
    raw = {"description": f"The pixels themselves, a byte each: {size} bytes an image."}
    array = {"description": "What `numpy.save` writes: whole numbers, or bytes of any size."}
    picture = {"description": "A picture's file; told by its content."}
    body = json_of(component("Images"), **example_of(facts))
    body |= {RAW: {"schema": raw}, NPY: {"schema": array}}
    body |= {f"image/{kind}": {"schema": picture} for kind in ("png", "jpeg", "webp", "bmp")}
    files = {
        "type": "object",
        "properties": {"image": _FILE | {"format": "binary"}},  # by which pages know to ask for one
        "additionalProperties": _FILE,
        "minProperties": 1,
    }
    return body | {"multipart/form-data": {"schema": files}}


def _examples(facts: Facts) -> list[Operation]:
    given = response(
        "A golden image of the default version.", json_of(component("Images"), **example_of(facts))
    )
    return [
        Operation(
            route=route,
            name=name,
            tag=TAG,
            responses={200: given},
            errors=(404, 429, 503, 504),
        )
        for route, name in (
            ("GET /example", "example"),
            ("GET /models/<name>/example", "exampleOfModel"),
        )
    ]
