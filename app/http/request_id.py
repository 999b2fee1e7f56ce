"""One id for each request: in the response header, in error bodies, in the log line."""

import re
import time

from flask import Flask, Response, g, request
from ulid import ULID

HEADER = "X-Request-Id"
_CLEAN = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


def init_app(app: Flask) -> None:
    """Give every request its id first, and every response its header last."""
    app.before_request(_begin)
    app.after_request(_mark)


def request_id() -> str:
    """The id of the request in hand, a ULID that the service made."""
    if "request_id" not in g:
        _begin()
    found: str = g.request_id
    return found


def elapsed_ms() -> float:
    """Milliseconds since this request began."""
    request_id()
    return (time.perf_counter() - float(g.began)) * 1000


def client_request_id() -> str | None:
    """The caller's own `X-Request-Id` for the log, if it is short and clean; never echoed."""
    given = request.headers.get(HEADER, "")
    return given if _CLEAN.fullmatch(given) else None


def _begin() -> None:
    g.began = time.perf_counter()
    g.request_id = str(ULID())


def _mark(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response
