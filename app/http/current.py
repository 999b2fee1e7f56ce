"""Begin and end each request, whatever its route, and hold the notes about the current one.

| when | what happens |
| --- | --- |
| before all else | the request gets its id and its notes; its budget of time in MongoDB begins |
| after all else | the answer gets its common headers; an unread body closes the connection |
| last | the answer is compressed if its client accepts that |
| at its end | the budget ends |

One budget bounds all operations of a request on MongoDB together. Every other wait has a bound too:
Redis's client has a timeout, and the server has read the body before it calls the application.
Granian's adapter bounds that, and gunicorn's proxy must.

A connection is closed after a body that was not read to its end: the rest would precede the next
request, and gunicorn does not send `Connection: close` by itself. Granian's adapter has read every
body before it calls the application.

Flask's `request` looks its object up for each attribute. In code that every request runs that adds
up: use `current_request` there. Elsewhere use Flask's.
"""

import ipaddress
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from flask import Flask, Request, Response, request
from ulid import ULID

from app.http.accept import EXPORTS, export_type
from app.http.compression import compress

Bounded = Callable[[float], AbstractContextManager[object]]


class CurrentRequest(Request):
    """A request with the notes that hooks and views keep about it.

    `principal`, `ticket` and `in_flight` have types of other rooms; `app.access` sets them.
    """

    store_time: AbstractContextManager[object] | None = None
    is_body_read = False
    has_request_error = False
    may_be_kept = False
    error_code: str | None = None
    error_fields: tuple[str, ...] = ()
    error_component: str | None = None
    retry_after_s: int | None = None
    principal: Any = None
    ticket: Any = None
    in_flight: Any = None

    def __init__(self, environ: dict[str, Any], **options: Any) -> None:
        super().__init__(environ, **options)
        self.id = str(ULID())
        self.began_s = time.perf_counter()

    @cached_property
    def export_type(self) -> str | None:
        """The media type of the export that the client prefers to JSON; None for JSON."""
        accept = self.environ.get("HTTP_ACCEPT", "")
        named = accept.lower()
        return export_type(accept) if any(export in named for export in EXPORTS) else None


def init_app(
    app: Flask, bounded: Bounded, budget_s: float, close_connection: Callable[[], None]
) -> None:
    """Apply `bounded(budget_s)` to each request; `close_connection` ends the connection after it.

    Call it before other hooks are registered. Flask runs functions before a request in the order
    of their registration, and those after it in reverse.
    """

    def begin() -> None:
        asked = current_request()
        asked.began_s = time.perf_counter()  # once more: durations count from the first hook
        asked.store_time = bounded(budget_s)
        asked.store_time.__enter__()

    def complete(response: Response) -> Response:
        asked = current_request()
        has_length = asked.environ.get("CONTENT_LENGTH", "0") not in {"", "0"}
        has_body = has_length or "HTTP_TRANSFER_ENCODING" in asked.environ
        if has_body and not asked.is_body_read:
            close_connection()
        # Browsers must not guess another content type than the one that is sent.
        response.headers.add("X-Content-Type-Options", "nosniff")
        response.headers.add("X-Request-Id", asked.id)
        accept_encoding = asked.environ.get("HTTP_ACCEPT_ENCODING")
        if accept_encoding:
            compress(response, accept_encoding)
        return response

    def end(_error: BaseException | None) -> None:
        asked = current_request()
        store_time, asked.store_time = asked.store_time, None
        if store_time is not None:  # a streamed answer is torn down twice
            store_time.__exit__(None, None, None)

    app.before_request(begin)
    app.after_request(complete)
    app.teardown_request(end)


def current_request() -> CurrentRequest:
    """Return the current request."""
    proxy: Any = request
    found: CurrentRequest = proxy._get_current_object()  # noqa: SLF001 - as its manual says
    return found


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
