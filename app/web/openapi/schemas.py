"""Schemas of models and versions, taken from the pydantic models that write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from app.ipc.status import CanaryStatus, LoadedModel, VersionStatus
from app.web.http.error_codes import ErrorCode
from imaging.preparation import Preparation

if TYPE_CHECKING:
    from pydantic import BaseModel

Json = dict[str, Any]

NULL: Json = {"type": "null"}
STRING: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
VERSION: Json = {"type": "integer", "minimum": 1}


class _Untitled(GenerateJsonSchema):
    """Leaves out titles, which only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def of_model(model: type[BaseModel], *, read: bool = True) -> Json:
    """Return the schema of a model.

    Args:
        model: It has no other models in its fields.
        read: The schema of its input, else of its output.
    """
    schema = model.model_json_schema(
        mode="validation" if read else "serialization", schema_generator=_Untitled
    )
    schema.pop("title", None)
    return schema


def with_parts(name: str, model: type[BaseModel]) -> dict[str, Json]:
    """Return the output schemas of a model and of the models in its fields, by their names."""
    schema = model.model_json_schema(
        mode="serialization",
        schema_generator=_Untitled,
        ref_template="#/components/schemas/{model}",
    )
    parts: dict[str, Json] = schema.pop("$defs", {})
    return parts | {name: schema}


def written_without_none(model: type[BaseModel], without: str = "") -> Json:
    """Return the output schema of a model without its empty fields.

    Args:
        model: The model.
        without: A field that is not.
    """
    fields = {k: f for k, f in model.model_fields.items() if k != without}
    properties = of_model(model, read=False)["properties"]
    return {
        "type": "object",
        "properties": {name: _without_none(properties[name]) for name in fields},
        "required": [name for name, f in fields.items() if f.is_required()],
    }


def record(properties: Json, *optional: str) -> Json:
    """Return the schema of an object with these fields, required but for the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def nothing_else(schema: Json) -> Json:
    """Return the schema with no additional fields."""
    return schema | {"additionalProperties": False}


def either(*schemas: Json) -> Json:
    """Return the schema of an alternative."""
    return {"anyOf": list(schemas)}


def list_of(items: Json, size: int | None = None, **more: Any) -> Json:
    """Return the schema of a list, of a fixed length if one is given."""
    bounds = {} if size is None else {"minItems": size, "maxItems": size}
    return {"type": "array", "items": items, **bounds, **more}


def _without_none(schema: Json) -> Json:
    schema = {key: value for key, value in schema.items() if key != "default"}
    options = [option for option in schema.pop("anyOf", []) if option != NULL]
    return schema | options[0] if options else schema


def version_schema() -> Json:
    """Return the schema of a version: its status and its metadata, in one level."""
    about = written_without_none(VersionStatus, without="loaded")
    loaded = written_without_none(LoadedModel, without="example")
    prepared = {"preparation": _preparation_schema()}
    return about | {"properties": about["properties"] | loaded["properties"] | prepared}


def _preparation_schema() -> Json:
    schema = TypeAdapter(Preparation).json_schema(mode="serialization", schema_generator=_Untitled)
    return record({n: _without_none(s) for n, s in schema["properties"].items()}, "background")


def share_schema() -> Json:
    """Return the schema of a share of a model's traffic."""
    share = written_without_none(CanaryStatus)
    idle = {"type": "string", "description": "Why it gets nothing; missing where it does."}
    return share | {"properties": share["properties"] | {"idle": idle}}


def error_schema() -> Json:
    """Describe an error; TensorFlow Serving's own errors have the sentence alone."""
    codes = "\n".join(f"- `{code.value}`: {code.meaning} {code.action}" for code in ErrorCode)
    code = {"type": "string", "enum": [code.value for code in ErrorCode], "description": codes}
    return record({"error": STRING, "code": code}, "code")
