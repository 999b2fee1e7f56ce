"""Close a connection after a request whose body was not read to its end.

The rest would precede the next request, and gunicorn does not send `Connection: close` by itself.
Granian's adapter has read every body before it calls the application.
"""

from collections.abc import Callable

from flask import Flask, Response

from app.http.current import current_notes, current_request


def init_app(app: Flask, close_connection: Callable[[], None]) -> None:
    """Call `close_connection` before such an answer is sent."""

    def close(response: Response) -> Response:
        environ = current_request().environ
        has_length = environ.get("CONTENT_LENGTH", "0") not in {"", "0"}
        has_body = has_length or "HTTP_TRANSFER_ENCODING" in environ
        if has_body and not current_notes().get("is_body_read"):
            close_connection()
        return response

    app.after_request(close)
