"""The Flask application: its services by type, exact routes, and no request that HTTP/1.1 forbids.

`Application` holds the services that `wiring` built, for routes and commands, and turns off what
Flask does for every application. `init_app` refuses requests that the router would match with
another route. Werkzeug:

* drops slashes in front of a path;
* reads `%2F` as a separator;
* accepts `get` for `GET`;
* matches a route with a variable part for a fixed path that lacks the method.

It answers `OPTIONS` of every known path, before anything is charged.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from flask import Flask, Request, Response, current_app
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app.http.body import no_content
from app.http.current import CurrentRequest, current_request
from app.http.request_errors import InvalidFields, field_error

T = TypeVar("T")
# The characters of RFC 3986, without the comma: two `Host` lines are joined by it.
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+;=:\[\]-]*", re.ASCII)
_OPTIONS = "OPTIONS"
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)


class Application(Flask):
    """Flask with exact routes, and without its check for coroutines before each view and hook."""

    request_class = CurrentRequest

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
        self.url_map.merge_slashes = False
        self.services: dict[type, Any] = {}

    def provide(self, services: Iterable[Any]) -> None:
        """Register one instance of each type."""
        self.services = {type(service): service for service in services}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return `func` unchanged: no view here is a coroutine."""
        return func


def provided(kind: type[T]) -> T:
    """Return the application's instance of `kind`; KeyError if wiring never built one."""
    instance: T = cast("Application", current_app).services[kind]
    return instance


def init_app(app: Flask) -> None:
    """Check every request. Call it after all routes are registered and before `Access.init_app`."""
    methods: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        methods.setdefault(rule.rule, set()).update(rule.methods or ())

    def correct() -> Response | None:
        asked = current_request()
        error = _find_error(asked, methods)
        if error is None:
            return None
        asked.url_rule, asked.view_args = None, None
        if isinstance(error, MethodNotAllowed) and asked.environ["REQUEST_METHOD"] == _OPTIONS:
            return _allow(error)
        # Raised when the route would be called: after the address's bucket is charged.
        asked.routing_exception = cast("HTTPException", error)
        return None

    app.before_request(correct)


def _find_error(
    asked: Request, methods: Mapping[str, set[str]]
) -> InvalidFields | HTTPException | None:
    """Return the error of a request with an ambiguous host or length, or without a route."""
    environ = asked.environ
    host = environ.get("HTTP_HOST")
    if host is None and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        return _malformed("Host", "required", "is required by HTTP/1.1; send it once")
    if host and _HOST.fullmatch(host) is None:
        return _malformed("Host", "invalid", "must be one host name or address, sent once")
    coding = environ.get("HTTP_TRANSFER_ENCODING", "chunked")
    if coding.lower() != "chunked":
        return _malformed("Transfer-Encoding", "invalid", "must be `chunked`, sent once")
    path = environ["PATH_INFO"]
    # gunicorn keeps the encoded path in `RAW_URI`; Granian passes the decoded path only.
    sent = environ.get("RAW_URI", "").partition("?")[0]
    if path.startswith("//") or _ENCODED_SLASH.search(sent):
        return NotFound()
    rule = asked.url_rule
    allowed = methods.get(path if rule is None or path in methods else rule.rule)
    if allowed is None:  # a path with a variable part, and no rule for the method
        allowed = getattr(asked.routing_exception, "valid_methods", None)
    if allowed is not None and environ["REQUEST_METHOD"] not in allowed:
        return MethodNotAllowed(sorted({*allowed, _OPTIONS}))
    return None


def _allow(error: MethodNotAllowed) -> Response:
    """Return the answer to `OPTIONS`: the methods of the path."""
    answer = no_content()
    answer.headers["Allow"] = ", ".join(error.valid_methods or ())
    return answer


def _malformed(header: str, code: str, message: str) -> InvalidFields:
    return InvalidFields([field_error(header, code, f"`{header}` {message}.")])
