"""OpenAPI of TensorFlow Serving's REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.web.api.tensorflow_serving.responses import OUTPUT, STATES
from app.web.api.tensorflow_serving.tensors import INPUT, SIGNATURE
from app.web.openapi.common import REFUSED, REQUEST_ID, TIMEOUT, example_of, image_forms
from app.web.openapi.error_responses import headers
from app.web.openapi.operation import Operation, component, json_of, response
from app.web.openapi.schemas import NUMBER, STRING, either, list_of, nothing_else, record

if TYPE_CHECKING:
    from app.web.openapi.live_values import Facts

Json = dict[str, Any]

TAG = "TensorFlow Serving"
_WHICH = {"": "Model", "/versions/<version>": "Version", "/labels/<label>": "Label"}
_NAMED = ("Glyph-Model", "Glyph-Version")


def operations(facts: Facts) -> list[Operation]:
    """Describe the routes below /v1; those of any other case are left out."""
    found = [_predict(which, facts) for which in _WHICH]
    for which, name in _WHICH.items():
        states = response("Whatever they are.", json_of(component("TfServingStatus")))
        found.append(
            Operation(
                route=f"GET /v1/models/<name>{which}",
                name=f"tfServingStatusOf{name}",
                tag=TAG,
                responses={200: states | {"headers": headers("Glyph-Model", "Glyph-Ready")}},
                errors=(400, 404, 503),
            )
        )
        signature = response("The only one.", json_of(component("TfServingMetadata")))
        found.append(
            Operation(
                route=f"GET /v1/models/<name>{which}/metadata",
                name=f"tfServingMetadataOf{name}",
                tag=TAG,
                responses={200: signature | {"headers": headers(*_NAMED)}},
                errors=(400, 404, 503),
            )
        )
    return found


def _predict(which: str, facts: Facts) -> Operation:
    outputs = response(
        "`predictions` for `instances`, `outputs` for `inputs`.",
        json_of(component("TfServingOutputs")),
        headers=headers("Server-Timing", *_NAMED),
    )
    return Operation(
        route=f"POST /v1/models/<name>{which}:predict",
        name=f"tfServingPredictWith{_WHICH[which]}",
        tag=TAG,
        about="The images, integers only, stand at `instances` or at `inputs`, named or not.",
        parameters=(TIMEOUT, REQUEST_ID),
        body={
            "required": True,
            "content": json_of(component("TfServingRequest"), **example_of(facts)),
        },
        responses={200: outputs},
        errors=REFUSED,
    )


def schemas(facts: Facts) -> dict[str, Json]:
    """Describe the requests and the responses."""
    forms = image_forms(facts.shapes) or [component("Image")]  # all of a request in the same one
    count = {"minItems": 1, "maxItems": facts.bounds.max_images}
    images = either(*(list_of(form, **count) for form in forms))
    named = either(*(list_of(nothing_else(record({INPUT: form})), **count) for form in forms))
    rows = record({"instances": either(images, named)})
    columns = record({"inputs": either(images, record({INPUT: images}))})
    signature = {"signature_name": {"enum": [SIGNATURE, ""]}}
    values = list_of(list_of(NUMBER), minItems=1)
    return {
        "TfServingRequest": either(
            *(form | {"properties": form["properties"] | signature} for form in (rows, columns))
        ),
        "TfServingOutputs": either(record({"predictions": values}), record({"outputs": values})),
        "TfServingStatus": record({"model_version_status": list_of(_state())}),
        "TfServingMetadata": _metadata(),
    }


def _state() -> Json:
    status = record({"error_code": STRING, "error_message": STRING})
    return record({"version": STRING, "state": {"enum": sorted(STATES.values())}, "status": status})


def _metadata() -> Json:
    dimension = record({"size": STRING, "name": STRING})
    shape = record({"dim": list_of(dimension), "unknown_rank": {"const": False}})
    tensor = record({"dtype": STRING, "tensor_shape": shape, "name": STRING})
    signature = {
        "inputs": record({INPUT: tensor}),
        "outputs": record({OUTPUT: tensor}),
        "method_name": STRING,
        "defaults": {"type": "object"},
    }
    signatures = record({SIGNATURE: record(signature)})
    return record(
        {
            "model_spec": record({"name": STRING, "signature_name": STRING, "version": STRING}),
            "metadata": record({"signature_def": record({"signature_def": signatures})}),
        }
    )
