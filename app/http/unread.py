"""Close a connection whose request has a body that nobody read to its end.

The rest would stand before the next request. Granian's adapter has every body in memory before the
application is called; gunicorn sends `Connection: close` only if it is told to.
"""

from io import BytesIO

from flask import Flask, Response

from app.http.current import current_notes, current_request
from app.serving.shared import connection


def init_app(app: Flask) -> None:
    """Look at every request when its answer is complete."""
    app.after_request(_close)


def _close(response: Response) -> Response:
    environ = current_request().environ
    has_body = environ.get("CONTENT_LENGTH", "0") not in {"", "0"}
    if has_body or "HTTP_TRANSFER_ENCODING" in environ:
        is_read = current_notes().get("is_body_read") or isinstance(environ["wsgi.input"], BytesIO)
        if not is_read and hasattr(connection, "close"):
            connection.close()
    return response
