"""What Schemathesis needs to know beside the description: bodies that no schema can make up.

Images are narrowed to the description's own example, which takes a case from seconds to nothing;
whatever is no image is made up as before. Schemathesis loads this module by itself, and nothing
else does: it changes how every description is read.
"""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import schemathesis
from hypothesis import strategies as st
from PIL import Image

from tests.benchmarks.scenarios.contract_terms import ANSWERS, accepted

_LENGTH = "Inference-Header-Content-Length"
_PATIENCE_MS = "60000"
_PICTURES = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "bmp": "BMP"}


def picture(kind: str, ink: int = 255) -> bytes:
    """Draw a stroke and write it as a file of this kind."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 14] = ink
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def _array(images: int) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros((images, 28, 28), np.uint8))
    return stream.getvalue()


for _name, _kind in _PICTURES.items():
    _files = st.builds(picture, st.just(_kind), st.integers(100, 255))
    schemathesis.openapi.media_type(f"image/{_name}", _files)
schemathesis.openapi.media_type("application/x-npy", st.builds(_array, st.integers(1, 4)))
schemathesis.openapi.media_type(
    "application/octet-stream", st.builds(bytes, st.integers(1, 4).map(lambda n: n * 784))
)


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    """Narrow images, and the tensors that hold them, to the example."""
    body = raw_schema["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    image = np.array(body["example"]["instances"][0])
    schemas = raw_schema["components"]["schemas"]
    for name, schema in schemas.items():
        schemas[name] = _narrowed(schema, image)
    given = schemas["InferenceRequest"]["properties"]["inputs"]["items"]
    given["required"].append("data")
    tensor = given["properties"]
    faint = np.minimum(image, 127)  # of any datatype
    tensor["data"] = {"enum": [[faint.tolist()], faint.ravel().tolist()]}
    tensor["datatype"]["enum"].remove("BYTES")  # files
    tensor["shape"] = {"const": [1, *image.shape]}
    tensor.pop("parameters")
    _whole(schemas["InferenceRequest"]["properties"]["parameters"])["properties"].pop("timeout")
    for path, item in raw_schema["paths"].items():
        if path.endswith("/infer"):  # JSON has as many bytes as it has
            parameters = item["post"]["parameters"]
            parameters[:] = [p for p in parameters if p["name"] != _LENGTH]


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that may be null."""
    return schema["anyOf"][0] if "anyOf" in schema else schema


def _narrowed(schema: Any, image: np.ndarray[Any, Any]) -> Any:
    if isinstance(schema, list):
        return [_narrowed(part, image) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("contentEncoding") == "base64":
        return {"const": base64.b64encode(picture("PNG")).decode()}
    dimensions = _dimensions(schema)
    if np.prod(dimensions) == image.size:
        return {"const": image.reshape(dimensions).tolist()}
    return {key: _narrowed(part, image) for key, part in schema.items()}


def _dimensions(schema: Any) -> tuple[int, ...]:
    """Return the sizes of an array of arrays of numbers."""
    if not isinstance(schema, dict) or schema.get("minItems") != schema.get("maxItems", 0):
        return ()
    return (schema["minItems"], *_dimensions(schema.get("items")))


@schemathesis.hook
def before_call(_context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Allow the service time, and send files where files are expected."""
    headers = case.headers or {}
    timeout = str(headers.get("X-Request-Timeout-Ms", ""))
    if timeout.isdecimal() and 1 <= int(timeout) <= int(_PATIENCE_MS) * 10:
        case.headers["X-Request-Timeout-Ms"] = _PATIENCE_MS
    form = case.media_type == "multipart/form-data" and isinstance(case.body, dict)
    if form and all(isinstance(part, str | bytes) for part in case.body.values()):
        files = {name or "picture": (name, picture("PNG"), "image/png") for name in case.body}
        kwargs["files"] = files
    if case.media_type == "application/octet-stream" and case.operation.path.endswith("/infer"):
        case.headers[_LENGTH] = "0"
        kwargs["data"] = bytes(784)  # an image alone


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Note what was answered."""
    with Path(os.environ[ANSWERS]).open("a") as notes:
        notes.write(f"{case.operation.label}\t{response.status_code}\n")


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Drop a failure that is none."""
    path = case.operation.path
    return accepted(case.method, path, failure.title, response.status_code) is None
