"""Read and write JSON bodies.

Reading counts the bytes that arrive, parses strictly and validates by a schema.
"""

from io import BytesIO
from typing import Any

import orjson
from flask import Response, request

from app.http import validation
from app.http.current import current_request
from app.http.fields import StrictSchema
from app.http.gzip import gunzip
from app.http.request_errors import (
    BodyTooLarge,
    InvalidFields,
    RequestError,
    UnsupportedContentEncoding,
    UnsupportedMediaType,
    field_error,
)
from app.http.strict_json import InvalidJson, parse

DEFAULT_MAX_BYTES = 256 * 1024
# The largest cap of a route: a batch of turns.
LARGEST_BYTES = 1024 * 1024


class UnreadBody(BytesIO):
    """Stands for a body that the server did not read; reading it raises the reason."""

    def __init__(self, reason: RequestError) -> None:
        super().__init__()
        self._reason = reason

    def read(self, _most_bytes: int | None = -1) -> bytes:
        """Raise the reason."""
        raise self._reason


def load_body(schema: StrictSchema, max_bytes: int = DEFAULT_MAX_BYTES) -> Any:
    """Load the request's body by `schema`; InvalidFields, and the errors of `read_object`."""
    return validation.load(schema, read_object(max_bytes))


def read_object(max_bytes: int = DEFAULT_MAX_BYTES) -> dict[str, Any]:
    """Return the request's JSON object. An object with repeated names is refused by its schema.

    These errors are raised:

    * UnsupportedMediaType unless it is `application/json`;
    * UnsupportedContentEncoding unless it is plain or gzip;
    * BodyTooLarge over `max_bytes`: bytes that arrive count, so chunked bodies are capped too;
    * DecodedBodyTooLarge if a gzip body is too large once it is decoded;
    * BodyTimeout or BodyMemoryExhausted if the server did not read it;
    * InvalidFields if it is not a JSON object in UTF-8.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        value = parse(read_body(max_bytes))
    except InvalidJson as invalid:
        raise _malformed("invalid_json", str(invalid)) from None
    if not isinstance(value, dict):
        raise _malformed("invalid_type", "must be a JSON object")
    return value


def read_body(max_bytes: int, max_decoded_bytes: int | None = None) -> bytes:
    """Return the body, decoded from gzip to at most `max_decoded_bytes`, or else `max_bytes`.

    Raises what `read_object` raises, but for errors of JSON and of the media type.
    """
    coding = request.environ.get("HTTP_CONTENT_ENCODING", "").strip(" \t").lower()
    if coding in {"", "identity"}:
        return _read(max_bytes)
    if coding in {"gzip", "x-gzip"}:
        return gunzip(_read(max_bytes), max_decoded_bytes or max_bytes)
    raise UnsupportedContentEncoding


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


def _read(max_bytes: int) -> bytes:
    announced = request.content_length
    if announced is not None and announced > max_bytes:
        raise BodyTooLarge(max_bytes)
    parts: list[bytes] = []
    room = max_bytes + 1
    try:
        while room and (part := request.stream.read(room)):
            parts.append(part)
            room -= len(part)
    except RequestError:
        raise
    except Exception:
        raise incomplete_body() from None
    if not room:
        raise BodyTooLarge(max_bytes)
    current_request().is_body_read = True
    return b"".join(parts)


def incomplete_body() -> InvalidFields:
    """Return the error of a body that broke off."""
    return _malformed("incomplete", "did not arrive whole")


def _malformed(code: str, message: str) -> InvalidFields:
    return InvalidFields([field_error("body", code, f"`body` {message}.")])
