"""One operation of the document: its request, and all its responses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.web.openapi.error_responses import ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

_VARIABLE = re.compile(r"<(?:[a-z]+:)?([a-z]+)>")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The description of a route; parts that all routes share are added when it is written."""

    route: str
    """Method and rule, as the list of routes has them."""
    name: str
    """Its operationId."""
    tag: str
    responses: Mapping[int, Json]
    """Status -> a Response Object."""
    errors: tuple[int, ...] = ()
    """Statuses of the refusals that every front gives in one shape."""
    body: Json | None = None
    """A Request Body Object."""
    parameters: tuple[Json, ...] = ()
    """Beside the names in the path: Parameter Objects."""
    path: str = ""
    """Where the rule leaves more open than the path; else it is the rule's."""
    summary: str = ""
    """Where the list of routes has none for it alone."""
    about: str = ""
    """Markdown."""
    security: tuple[Mapping[str, list[str]], ...] = field(default=())
    """Security schemes of which a caller must use one; none if the route is public."""

    @property
    def method(self) -> str:
        """Its method, as a Path Item Object names it."""
        return self.route.partition(" ")[0].lower()

    @property
    def template(self) -> str:
        """Its path, with names in braces."""
        return self.path or _VARIABLE.sub(r"{\1}", self.route.partition(" ")[2])

    def render(self, routes: Mapping[str, str], names: Mapping[str, Json]) -> Json:
        """Write it as an Operation Object.

        Args:
            routes: The purpose of each route.
            names: Parameter Objects of the path parameters.
        """
        in_path = [names[name] for name in re.findall(r"\{([a-z]+)\}", self.template)]
        refused = {status: ERRORS[status].reference for status in self.errors}
        responses = sorted({**self.responses, **refused}.items())
        written: Json = {
            "operationId": self.name,
            "tags": [self.tag],
            "summary": self.summary or routes[self.route],
            "description": self.about,
            "parameters": [*in_path, *self.parameters],
            "requestBody": self.body,
            "responses": {str(status): response for status, response in responses},
            "security": [dict(scheme) for scheme in self.security],
        }
        return {key: value for key, value in written.items() if value}


def response(about: str, content: Mapping[str, Json], **more: Any) -> Json:
    """Write a Response Object.

    Args:
        about: Its description.
        content: Media type -> a Media Type Object.
        more: Headers and links.
    """
    return {"description": about, "content": dict(content), **more}


def json_of(schema: Json, **more: Any) -> Json:
    """Write the content of a JSON body: a schema, and perhaps examples."""
    return {"application/json": {"schema": schema, **more}}


def component(name: str) -> Json:
    """Refer to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}
