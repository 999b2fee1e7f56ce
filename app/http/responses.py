"""Turn payloads into responses."""

from typing import Any

import orjson
from flask import Response


def json_response(payload: Any, status: int = 200) -> Response:
    """Return a JSON response in UTF-8; `payload` is plain data."""
    return Response(orjson.dumps(payload), status=status, mimetype="application/json")


def stored_response(payload: Any, status: int = 200) -> Response:
    """Return a JSON response for stored rows; values that JSON does not have become null."""
    data = orjson.dumps(payload, default=lambda value: None)
    return Response(data, status=status, mimetype="application/json")


def no_content() -> Response:
    """Return a 204."""
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response
