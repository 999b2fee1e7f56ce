"""Begin and end each request, whatever its route, and return facts about the current one.

| when | what happens |
| --- | --- |
| before all else | the request gets its id; its budget of time in MongoDB begins |
| after all else | the answer gets its common headers; an unread body closes the connection |
| at its end | the budget ends |

One budget bounds all operations of a request on MongoDB together. Every other wait has a bound too:
Redis's client has a timeout, and the server has read the body before it calls the application.
Granian's adapter bounds that, and gunicorn's proxy must.

A connection is closed after a body that was not read to its end: the rest would precede the next
request, and gunicorn does not send `Connection: close` by itself. Granian's adapter has read every
body before it calls the application.

Flask's `request` and `g` look their object up for each attribute. In code that every request runs
that adds up: use `current_request` and `current_notes` there. Elsewhere use Flask's.
"""

import ipaddress
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from flask import Flask, Request, Response, g, request
from ulid import ULID

Bounded = Callable[[float], AbstractContextManager[object]]


def init_app(
    app: Flask, bounded: Bounded, budget_s: float, close_connection: Callable[[], None]
) -> None:
    """Apply `bounded(budget_s)` to each request; `close_connection` ends the connection after it.

    Call it before other hooks are registered. Flask runs functions before a request in the order
    of their registration, and those after it in reverse.
    """

    def begin() -> None:
        notes = current_notes()
        notes.began_s = time.perf_counter()
        notes.request_id = str(ULID())
        notes.store_time = bounded(budget_s)
        notes.store_time.__enter__()

    def complete(response: Response) -> Response:
        environ = current_request().environ
        has_length = environ.get("CONTENT_LENGTH", "0") not in {"", "0"}
        has_body = has_length or "HTTP_TRANSFER_ENCODING" in environ
        if has_body and not current_notes().get("is_body_read"):
            close_connection()
        # Browsers must not guess another content type than the one that is sent.
        response.headers.add("X-Content-Type-Options", "nosniff")
        response.headers.add("X-Request-Id", request_id())
        return response

    def end(_error: BaseException | None) -> None:
        # A streamed answer is torn down twice.
        store_time = current_notes().pop("store_time", None)
        if store_time is not None:
            store_time.__exit__(None, None, None)

    app.before_request(begin)
    app.after_request(complete)
    app.teardown_request(end)


def current_request() -> Request:
    """Return the current request."""
    proxy: Any = request
    found: Request = proxy._get_current_object()  # noqa: SLF001 - as its manual says
    return found


def current_notes() -> Any:
    """Return the object behind `g`: notes that hooks and views keep with the current request."""
    return g._get_current_object()  # noqa: SLF001 - as above


def request_id() -> str:
    """Return the id of the current request, a ULID that the service made."""
    notes = current_notes()
    if "request_id" not in notes:  # an error before the first hook
        notes.request_id = str(ULID())
    found: str = notes.request_id
    return found


def elapsed_ms() -> float:
    """Return milliseconds since the current request began; 0 before its first hook."""
    now_s = time.perf_counter()
    began_s: float = current_notes().get("began_s", now_s)
    return (now_s - began_s) * 1_000


def client_address() -> str:
    """Return the IP address of the current request's client as normalised text.

    The address that trusted proxies report counts only if it is valid; otherwise that of the
    socket's peer does.
    """
    asked = current_request()
    original = asked.environ.get("werkzeug.proxy_fix.orig") or {}
    for candidate in (asked.remote_addr, original.get("REMOTE_ADDR")):
        try:
            return str(ipaddress.ip_address(candidate or ""))
        except ValueError:
            continue
    return "0.0.0.0"  # noqa: S104 (a Unix socket has no address: all its clients share one bucket)
