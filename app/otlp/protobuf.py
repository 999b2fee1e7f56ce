"""Decode and answer exports in protobuf, by the extra `otlp`.

The library decodes a text to Python only when it is read: names of attributes, and values of those
that are looked up. Events, links, names of spans and status messages are never read.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from app.otlp.spans import AttributeCount, Malformed, Span, Value, pick
from app.otlp.wire import MessageFinder

_ERROR = 2
# A model call has one finish reason, or one for each of its choices.
_MOST_VALUES = 1_000
# Numbers of fields: `resource_spans` of the request, `scope_spans` of it, `spans` of that.
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 1, 2, 2


def decode(body: bytes, wanted: frozenset[str]) -> Iterator[Span]:
    """Yield the spans of a body; Malformed if it is no export, or has too much in it."""
    _require_few_spans(body)
    try:
        export = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise Malformed("is no ExportTraceServiceRequest in protobuf") from None
    counted = AttributeCount()
    for resource_spans in export.resource_spans:
        counted.add(len(resource_spans.resource.attributes))
        shared, _ = _read(resource_spans.resource.attributes, wanted)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                counted.add(len(span.attributes))
                own, dropped = _read(span.attributes, wanted)
                yield Span(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == _ERROR,
                    {**shared, **own},
                    dropped,
                )


def encode(rejected_count: int, message: str) -> bytes:
    """Return the body of an answer."""
    answer = ExportTraceServiceResponse()
    if rejected_count or message:
        answer.partial_success.rejected_spans = rejected_count
        answer.partial_success.error_message = message
    encoded: bytes = answer.SerializeToString()
    return encoded


def encode_failure(code: int, message: str) -> bytes:
    """Return a `google.rpc.Status`, the body of an answer from 400 on."""
    # On the wire it is this message: a number in field 1, a text in field 2.
    status = ExportTracePartialSuccess(rejected_spans=code, error_message=message)
    encoded: bytes = status.SerializeToString()
    return encoded


def _require_few_spans(body: bytes) -> None:
    finder = MessageFinder(body)
    for resource_spans in finder.messages(0, len(body), _RESOURCE_SPANS):
        for scope_spans in finder.messages(*resource_spans, _SCOPE_SPANS):
            for _ in finder.messages(*scope_spans, _SPANS):
                pass


def _read(
    attributes: Iterable[Any], wanted: frozenset[str]
) -> tuple[dict[str, Value], tuple[str, ...]]:
    named = ((attribute.key, attribute) for attribute in attributes)
    return pick(named, wanted, lambda attribute: _value(attribute.value))


def _value(value: Any) -> Value | None:
    kind = value.WhichOneof("value")
    if kind in {"string_value", "int_value", "double_value"}:
        scalar: Value = getattr(value, kind)
        return scalar
    if kind == "array_value" and len(value.array_value.values) <= _MOST_VALUES:
        return tuple(each.string_value for each in value.array_value.values)
    return None
