"""OpenAPI of the Open Inference Protocol, without its repository extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from app.web.api.open_inference.files import FILES
from app.web.api.open_inference.inference_request import HEADER_LENGTH, OUTPUT
from app.web.api.open_inference.metadata import EXTENSIONS, PLATFORM
from app.web.api.open_inference.tensors import DATATYPES, INPUT
from app.web.http.request_body import LONGEST_TIMEOUT_MS
from app.web.inputs.layout import layouts
from app.web.openapi.common import REFUSED, REQUEST_ID, TIMEOUT
from app.web.openapi.error_responses import headers
from app.web.openapi.operation import Operation, component, json_of, response
from app.web.openapi.schemas import NULL, STRING, either, list_of, record
from imaging.preparation import Prepare

if TYPE_CHECKING:
    from app.web.openapi.live_values import Facts

Json = dict[str, Any]

TAG = "Open Inference Protocol"
_COUNT: Json = {"type": "integer", "minimum": 0}
_YES: Json = {"const": True}
_HEADER: Json = {
    "name": HEADER_LENGTH,
    "in": "header",
    "description": "How many bytes of the body are JSON; those of a tensor follow. "
    "0 is one image alone.",
    "schema": _COUNT,
}
_BYTES: Json = {"schema": {"description": "JSON, and bytes behind it: little-endian, row-major."}}


def operations(facts: Facts) -> list[Operation]:
    """Describe the routes below /v2."""
    return [
        _get("", "inferenceServer", "What it can.", component("InferenceServer")),
        _get("/health/live", "serverLive", "It does.", record({"live": _YES})),
        _get("/health/ready", "serverReady", "They do.", record({"ready": _YES}), 503),
        *_about_models(),
        *(_infer(path, name, facts) for path, name in _INFER.items()),
    ]


_INFER = {
    "/models/<name>": "infer",
    "/models/<name>/versions/<version>": "inferWithVersion",
}


def _about_models() -> list[Operation]:
    metadata, stats = component("InferenceModel"), component("InferenceStatistics")
    ready = record({"name": STRING, "ready": _YES})
    one, of_one = "/models/<name>", "/models/<name>/versions/<version>"
    summary = "One entry for each version that serves."
    return [
        _get(one, "inferenceModel", "Of its default version.", metadata, 404, 503),
        _get(of_one, "inferenceVersion", "Of this version.", metadata, 404, 503),
        _get(f"{one}/ready", "modelReady", "It does.", ready, 404, 503),
        _get(f"{of_one}/ready", "versionReady", "It does.", ready, 404, 503),
        _get("/models/stats", "statistics", summary, stats, 503, 504),
        _get(f"{one}/stats", "statisticsOfModel", summary, stats, 404, 503, 504),
        _get(f"{of_one}/stats", "statisticsOfVersion", "One entry.", stats, 404, 503, 504),
    ]


def _get(path: str, name: str, about: str, schema: Json, *errors: int) -> Operation:
    return Operation(
        route=f"GET /v2{path}",
        name=name,
        tag=TAG,
        responses={200: response(about, json_of(schema))},
        errors=errors,
    )


def _infer(path: str, name: str, facts: Facts) -> Operation:
    given = response(
        "As bytes where they are asked for.",
        json_of(component("InferenceResponse")) | {"application/octet-stream": _BYTES},
        headers=headers("Server-Timing"),
    )
    body = json_of(component("InferenceRequest"), **_example(facts))
    return Operation(
        route=f"POST /v2{path}/infer",
        name=name,
        tag=TAG,
        about=f"One input, `{INPUT}`, flat or nested, or behind the JSON; one output, `{OUTPUT}`; "
        "other parameters are ignored.",
        parameters=(TIMEOUT, REQUEST_ID, _HEADER),
        body={"required": True, "content": body | {"application/octet-stream": _BYTES}},
        responses={200: given},
        errors=REFUSED,
    )


def _example(facts: Facts) -> Json:
    if facts.image is None:
        return {}
    shape = [1, *facts.shapes[0]][: 3 if facts.shapes[0][2] == 1 else 4]
    tensor = {"name": INPUT, "datatype": "UINT8", "shape": shape, "data": [facts.image]}
    return {"example": {"id": "1", "inputs": [tensor], "outputs": [{"name": OUTPUT}]}}


def schemas(facts: Facts) -> dict[str, Json]:
    """Describe the requests and the responses."""
    size = {"type": "integer"}
    tensor = record({"name": STRING, "datatype": STRING, "shape": list_of(size)})
    return {
        "InferenceServer": record(
            {"name": STRING, "version": STRING, "extensions": list_of({"enum": [*EXTENSIONS]})}
        ),
        "InferenceModel": record(
            {
                "name": STRING,
                "versions": list_of(STRING),
                "platform": {"const": PLATFORM},
                "inputs": list_of(tensor),
                "outputs": list_of(tensor),
            }
        ),
        "InferenceRequest": _request(facts),
        "InferenceResponse": _response(),
        "InferenceStatistics": _statistics(),
    }


def _request(facts: Facts) -> Json:
    bounds = facts.bounds
    images = {"type": "integer", "minimum": 1, "maximum": bounds.max_images}
    forms = [(), (1,), *(form for shape in facts.shapes for form in layouts(shape))]
    tensor = record(
        {
            "name": {"const": INPUT},
            "datatype": {"enum": [*DATATYPES, FILES]},
            "shape": either(*(_sizes(images, form) for form in forms))
            if facts.shapes
            else list_of(images),
            "data": {"type": "array", "description": "Whole numbers, or files in base64."},
            "parameters": _options({"binary_data_size": _COUNT}),
        },
        "data",
        "parameters",
    )
    how = {"binary_data": {"type": "boolean"}, "classification": _COUNT}
    deadline = {"description": "Deadline, in microseconds.", "maximum": LONGEST_TIMEOUT_MS * 1000}
    whole = {
        "binary_data_output": {"type": "boolean"},
        "timeout": _COUNT | deadline,
        "prepare": {"enum": [*get_args(Prepare)]},
    }
    output = record({"name": {"const": OUTPUT}, "parameters": _options(how)}, "parameters")
    fields = {
        "id": either(STRING, NULL),
        "parameters": _options(whole),
        "inputs": list_of(tensor, 1),
        "outputs": either(list_of(output, maxItems=1), NULL),
    }
    return record(fields, "id", "parameters", "outputs")


def _options(fields: dict[str, Json]) -> Json:
    """Describe optional fields, each of which may be null."""
    nullable = {name: either(schema, NULL) for name, schema in fields.items()}
    return either(record(nullable, *nullable), NULL)


def _sizes(images: Json, layout: tuple[int, ...]) -> Json:
    sizes = [images, *({"const": size} for size in layout)]
    return {
        "type": "array",
        "prefixItems": sizes,
        "minItems": len(sizes),
        "maxItems": len(sizes),
    }


def _response() -> Json:
    output = record(
        {
            "name": {"const": OUTPUT},
            "datatype": {"enum": ["FP32", "BYTES"]},
            "shape": list_of(_COUNT, 2),
            "data": list_of(either({"type": "number"}, STRING)),
        }
    )
    fields = {
        "model_name": STRING,
        "model_version": STRING,
        "id": STRING,
        "parameters": record({"notes": STRING | {"description": "On each picture: JSON."}}),
        "outputs": list_of(output, 1),
    }
    return record(fields, "id", "parameters")


def _statistics() -> Json:
    spent = record({"count": _COUNT, "ns": _COUNT})
    computed = dict.fromkeys(("compute_input", "compute_infer", "compute_output"), spent)
    others = dict.fromkeys(("success", "fail", "queue", "cache_hit", "cache_miss"), spent)
    of_version = record(
        {
            "name": STRING,
            "version": STRING,
            "last_inference": _COUNT | {"description": "Milliseconds since 1970; 0 is never."},
            "inference_count": _COUNT | {"description": "Images."},
            "execution_count": _COUNT | {"description": "Batches."},
            "inference_stats": record(others | computed),
            "batch_stats": list_of(record({"batch_size": _COUNT} | computed)),
        }
    )
    return record({"model_stats": list_of(of_version)})
