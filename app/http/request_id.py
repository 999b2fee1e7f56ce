"""Give each request one id: in the response header, in error bodies, in the log line."""

import re
import time
from typing import Any

from flask import Flask, Request, Response
from ulid import ULID

from app.http.current import current_notes

HEADER = "X-Request-Id"
# Every request looks it up here: werkzeug's headers take ten times as long.
_IN_ENVIRON = "HTTP_X_REQUEST_ID"
_CLEAN = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


def init_app(app: Flask) -> None:
    """Give every request its id first and every response its header last."""
    app.before_request(_begin)
    app.after_request(_mark)


def request_id() -> str:
    """Return the id of the current request, a ULID that the service made."""
    found: str = _begun().request_id
    return found


def elapsed_ms() -> float:
    """Return milliseconds since this request began."""
    began_s: float = _begun().began_s
    return (time.perf_counter() - began_s) * 1_000


def clean_request_id(asked: Request) -> str | None:
    """Return the caller's own `X-Request-Id` if it is short and clean; for the log only."""
    given = asked.environ.get(_IN_ENVIRON)
    return given if given and _CLEAN.fullmatch(given) else None


def _begun() -> Any:
    """Return the request's notes with its id, also for an error before the first hook."""
    notes = current_notes()
    if "request_id" not in notes:
        _begin()
    return notes


def _begin() -> None:
    notes = current_notes()
    notes.began_s = time.perf_counter()
    notes.request_id = str(ULID())


def _mark(response: Response) -> Response:
    response.headers.add(HEADER, request_id())
    return response
