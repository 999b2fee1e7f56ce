"""`POST /v1/traces`: OTLP over HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, request
from flask_smorest import Blueprint

from app.access import current_ticket
from app.http.application import provided
from app.http.body import LARGEST_BYTES, read_body
from app.http.errors import find_problem
from app.http.problems import is_error
from app.http.request_errors import InvalidFields, UnsupportedMediaType, field_error
from app.otlp import json_spans
from app.otlp.service import SpanReceiver
from app.otlp.spans import Malformed, Span

JSON, PROTOBUF = "application/json", "application/x-protobuf"
# Exporters compress; prompts make their bodies long.
DECODED_BYTES = 8 * LARGEST_BYTES
# Types of errors by https://grpc.io/docs/guides/status-codes/
_CODES = {
    "authentication": 16,
    "billing": 7,
    "internal": 13,
    "permission": 7,
    "rate_limit": 8,
    "request": 3,
    "unavailable": 14,
    "validation": 3,
}
_UNKNOWN = 2

blueprint = Blueprint(
    "otlp", __name__, url_prefix="/v1/traces", description="OpenTelemetry spans become turns."
)
# Generators of clients know no other media type, and exporters bring their own code.
_BODY = {"schema": {"type": "object", "description": "An `ExportTraceServiceRequest`."}}


@blueprint.post("")
@blueprint.response(
    200,
    {"type": "object", "description": "An `ExportTraceServiceResponse`."},
    description="Received; `partialSuccess` counts spans that are not recorded, and says why.",
)
@blueprint.doc(requestBody={"required": True, "content": {JSON: _BODY}})
def receive() -> Response:
    """Record the model calls in an export of OpenTelemetry spans.

    It is OTLP over HTTP, in JSON, or in protobuf as `application/x-protobuf`: set
    `OTEL_EXPORTER_OTLP_ENDPOINT` of an exporter to the address of this service. Spans of the GenAI
    conventions become turns, and all others are ignored. A resend records nothing twice. Texts are
    dropped at the door.

    A span that cannot be recorded, also for a spent quota, is counted in `partialSuccess`. The
    request costs one token of the rate limit for every 50 turns begun, rejected ones too.
    """
    decode, encode = _codec(request.mimetype)
    receiver = provided(SpanReceiver)
    body = read_body(LARGEST_BYTES, DECODED_BYTES)
    try:
        spans = list(decode(body, receiver.wanted))
    except Malformed as error:
        raise InvalidFields([field_error("body", "invalid_otlp", f"`body` {error}.")]) from None
    received = receiver.receive(spans, current_ticket(), find_problem)
    answer = encode(received.rejected_count, received.message)
    return Response(answer, mimetype=request.mimetype)


@blueprint.after_request
def answer_in_protobuf(response: Response) -> Response:
    """Answer a failure of a request in protobuf by a `google.rpc.Status`, as OTLP asks for."""
    codec = _find_protobuf() if request.mimetype == PROTOBUF else None
    if codec is not None and is_error(response.status_code):
        error = response.get_json()["error"]
        code = _CODES.get(error["type"], _UNKNOWN)
        response.set_data(codec.encode_failure(code, error["message"]))
        response.mimetype = PROTOBUF
    return response


def _codec(
    media_type: str,
) -> tuple[Callable[[bytes, frozenset[str]], Iterator[Span]], Callable[[int, str], bytes]]:
    """Return the functions of an encoding; protobuf needs the extra `otlp`."""
    if media_type == JSON:
        return json_spans.decode, json_spans.encode
    codec: Any = _find_protobuf() if media_type == PROTOBUF else None
    if codec is None:
        raise UnsupportedMediaType(
            "Send application/json, or application/x-protobuf to a service that has the extra otlp."
        )
    return codec.decode, codec.encode


def _find_protobuf() -> Any:
    try:
        from app.otlp import protobuf
    except ImportError:
        return None
    return protobuf
