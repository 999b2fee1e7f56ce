"""Begin and end each request, whatever its route.

| when | what happens |
| --- | --- |
| before all else | the request gets its id; its budget of time in MongoDB begins |
| after all else | the answer gets the headers that every answer has, and perhaps is the last one |
| at its end | the budget ends |

One budget bounds all operations of a request on MongoDB together. Every other wait has a bound too:
Redis's client has a timeout, and the server has read the body before it calls the application.
Granian's adapter bounds that, and gunicorn's proxy must.

A connection is closed after a body that was not read to its end: the rest would precede the next
request, and gunicorn does not send `Connection: close` by itself. Granian's adapter has read every
body before it calls the application.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from flask import Flask, Response
from ulid import ULID

from app.http.current import current_notes, current_request, request_id

Bounded = Callable[[float], AbstractContextManager[object]]


def init_app(
    app: Flask, bounded: Bounded, budget_s: float, close_connection: Callable[[], None]
) -> None:
    """Apply `bounded(budget_s)` to each request; `close_connection` makes an answer the last one.

    Call it before other hooks are registered: functions before a request run in order, those after
    it in reverse.
    """

    def before() -> None:
        notes = current_notes()
        notes.began_s = time.perf_counter()
        notes.request_id = str(ULID())
        notes.store_time = bounded(budget_s)
        notes.store_time.__enter__()

    def after(response: Response) -> Response:
        environ = current_request().environ
        has_length = environ.get("CONTENT_LENGTH", "0") not in {"", "0"}
        has_body = has_length or "HTTP_TRANSFER_ENCODING" in environ
        if has_body and not current_notes().get("is_body_read"):
            close_connection()
        # Browsers must not guess another content type than the one that is sent.
        response.headers.add("X-Content-Type-Options", "nosniff")
        response.headers.add("X-Request-Id", request_id())
        return response

    def at_end(_error: BaseException | None) -> None:
        # A streamed answer is torn down twice.
        store_time = current_notes().pop("store_time", None)
        if store_time is not None:
            store_time.__exit__(None, None, None)

    app.before_request(before)
    app.after_request(after)
    app.teardown_request(at_end)
