"""Fields of JSON that are null: as good as missing, as most programs that write them mean it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, model_validator

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core.core_schema import CoreSchema

_NULL = {"type": "null"}


class NullIsMissing(BaseModel):
    """Base of documents whose optional fields may be null."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        known = cls.model_fields
        return {
            name: value
            for name, value in document.items()
            if value is not None or name not in known or known[name].is_required()
        }

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema, in which optional fields may be null."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        for name, field in schema["properties"].items():
            if name in schema.get("required", ()) or _NULL in field.get("anyOf", ()):
                continue
            about = {key: field.pop(key) for key in ("default", "description") if key in field}
            schema["properties"][name] = {"anyOf": [field, _NULL], **about}
        return schema
