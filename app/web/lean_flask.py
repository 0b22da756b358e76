"""Flask without what this service does not use between a request and its view.

Sessions, signals, hooks, a URL adapter for every request, and headers that are parsed and copied
again cost 58 of the 68 µs that Flask takes for an empty view. Every change is an override
that Flask offers; routes, blueprints, error handlers and contexts work as they always do.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask, Response
from flask.ctx import RequestContext
from flask.sessions import NullSession, SessionInterface

from app.web.observing import ROUTE
from app.web.packing import LARGE, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Request
    from werkzeug.routing import MapAdapter, Rule

    Environ = dict[str, Any]

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_MOST_MATCHES = 256
"""Paths have names in them, which callers may make up."""


class NoSessions(SessionInterface):
    """Gives every request the same session, which cannot hold anything."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002
        """Give the one that there is."""
        return self._none

    def is_null_session(self, obj: object) -> bool:  # noqa: ARG002
        """Say that there is nothing to save."""
        return True


class LeanContext(RequestContext):
    """A request context that remembers which rule a path matched."""

    app: LeanFlask

    def match_request(self) -> None:
        """Find the rule, and the view with it."""
        super().match_request()
        request, rule = self.request, self.request.url_rule
        if rule is None:
            return
        request.environ[ROUTE] = rule.rule
        if request.method != "OPTIONS":  # Flask's answer needs an adapter
            matched = self.app.matched
            if len(matched) >= _MOST_MATCHES:
                matched.clear()  # those in use are soon back
            matched[request.path, request.method] = rule, request.view_args or {}


class LeanFlask(Flask):
    """Flask with lean contexts."""

    session_interface = NoSessions()

    def __init__(self, import_name: str, **options: Any) -> None:
        super().__init__(import_name, **options)
        self.matched: dict[tuple[str, str], tuple[Rule, dict[str, Any]]] = {}
        """Path and method -> the rule, and what the path says in the places of its variables."""

    def request_context(self, environ: Environ) -> RequestContext:
        """Make the context of one request."""
        return LeanContext(self, environ)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Bind the routes to a request, without its host, on which no rule depends.

        A request whose rule is known gets it here, and needs no adapter.
        """
        if request is None:
            return None
        matched = self.matched.get((request.path, request.method))
        if matched is not None:
            request.url_rule, request.view_args = matched
            request.environ[ROUTE] = matched[0].rule
            return None
        return self.url_map.bind("", path_info=request.path, default_method=request.method)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Leave functions as they are: no view is a coroutine."""
        return func

    def full_dispatch_request(self) -> Response:
        """Call the view, or handle its error; hooks and signals only where there are any."""
        if self.before_request_funcs or self.after_request_funcs or self.url_value_preprocessors:
            return super().full_dispatch_request()
        try:
            result = self.dispatch_request()
        except Exception as exc:  # noqa: BLE001 - Flask's own rule
            result = self.handle_user_exception(exc)
        return self.make_response(result)

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Call what is to be called at the end of a request, if anything is."""
        if self.teardown_request_funcs:
            super().do_teardown_request(exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Call what is to be called at the end of a context, if anything is."""
        if self.teardown_appcontext_funcs:
            super().do_teardown_appcontext(exc)


class FinalResponse(Response):
    """An answer whose body and headers are final: no hook changes them, and nothing is parsed."""

    def __init__(  # not Flask's, which takes 20 µs
        self, body: bytes, headers: list[tuple[str, str]], status: int = 200
    ) -> None:
        self._body = body
        self._final_headers = headers
        self._status, self._status_code = _STATUS_LINES[status], status

    def get_wsgi_response(
        self, environ: Environ
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Return what it was made of, packed if it is large, and the length of the body."""
        body, headers = self._body, self._final_headers
        if len(body) > LARGE:
            body, headers = pack(body, headers, environ.get("HTTP_ACCEPT_ENCODING", ""))
        length = ("Content-Length", str(len(body)))
        return [body], self._status, [*headers, length]
