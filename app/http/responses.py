"""The one way a payload becomes a response, and the header that every response has."""

from typing import Any

import orjson
from flask import Flask, Response


def init_app(app: Flask) -> None:
    """Keep browsers from taking an answer for another type than it says."""

    def mark(response: Response) -> Response:
        response.headers.add("X-Content-Type-Options", "nosniff")
        return response

    app.after_request(mark)


def json_response(payload: Any, status: int = 200) -> Response:
    """A JSON response in UTF-8; `payload` is plain data, serialised here and nowhere else."""
    return Response(orjson.dumps(payload), status=status, mimetype="application/json")


def stored_response(payload: Any, status: int = 200) -> Response:
    """The same for rows as they are stored: null for a value that JSON does not have."""
    data = orjson.dumps(payload, default=lambda value: None)
    return Response(data, status=status, mimetype="application/json")


def no_content() -> Response:
    """A 204: done, and nothing to say."""
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response
