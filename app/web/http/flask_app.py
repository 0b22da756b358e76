"""The Flask application's class: a route does not depend on a request's host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, request
from werkzeug.exceptions import HTTPException

from app.web.http.environ import ROUTE
from app.web.http.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Request
    from werkzeug.routing import MapAdapter


class FlaskApp(Flask):
    """Matches paths alone, and notes the rule that a request matched."""

    def __init__(self, import_name: str, **options: Any) -> None:
        super().__init__(import_name, **options)
        self.before_request(_note_route)
        self.head_checks: dict[str, Callable[[dict[str, Any]], object]] = {}
        """Rule -> raises a ServiceError where a request's head is enough to refuse it."""

    def awaits_body(self, environ: dict[str, Any]) -> bool:
        """Return whether the view of a request reads its body, judged by its head."""
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        adapter = self.url_map.bind("", path_info=path, default_method=environ["REQUEST_METHOD"])
        try:
            rule, _ = adapter.match(return_rule=True)
            check = self.head_checks.get(rule.rule)
            if check is not None:
                check(environ)
        except (HTTPException, ServiceError):
            return False
        return bool(environ["REQUEST_METHOD"] == "POST")

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Bind the routes to a request's path and method; its host may be anything."""
        if request is None:
            return None
        return self.url_map.bind("", path_info=request.path, default_method=request.method)


def _note_route() -> None:
    if request.url_rule is not None:
        request.environ[ROUTE] = request.url_rule.rule
