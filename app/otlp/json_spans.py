"""Decode and answer exports in JSON, by the mapping of OTLP: ids are hex, names camel case.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding

Unlike protobuf, JSON is decoded whole, so texts are Python strings until the request ends. The
number of brackets bounds its memory: an attribute has two, and those in texts count too.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from app.otlp.spans import (
    MOST_ATTRIBUTES,
    MOST_SPANS,
    Malformed,
    Span,
    Value,
    pick,
    too_many_attributes,
    too_many_spans,
)

_ERROR = (2, "STATUS_CODE_ERROR")
_LARGEST_NS = 2**64 - 1
_MOST_BRACKETS = 2 * MOST_ATTRIBUTES
_INT = "intValue"
_INTEGER = re.compile("-?[0-9]{1,20}", re.ASCII)


def decode(body: bytes, wanted: frozenset[str]) -> Iterator[Span]:
    """Yield the spans of a body; Malformed if it is no export, or has too much in it."""
    if body.count(b"{") + body.count(b"[") > _MOST_BRACKETS:
        raise too_many_attributes()
    try:
        export = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("is not valid JSON") from None
    count = 0
    for resource_spans in _list(_object(export), "resourceSpans"):
        resource = _object(_object(resource_spans).get("resource") or {})
        shared, _ = _read(_list(resource, "attributes"), wanted)
        for scope_spans in _list(_object(resource_spans), "scopeSpans"):
            spans = _list(_object(scope_spans), "spans")
            count += len(spans)
            if count > MOST_SPANS:
                raise too_many_spans()
            for span in spans:
                yield _span(_object(span), shared, wanted)


def encode(rejected_count: int, message: str) -> bytes:
    """Return the body of an answer."""
    if not rejected_count and not message:
        return b"{}"
    partial = {"rejectedSpans": str(rejected_count), "errorMessage": message}
    return orjson.dumps({"partialSuccess": partial})


def _span(span: dict[str, Any], shared: dict[str, Value], wanted: frozenset[str]) -> Span:
    own, dropped = _read(_list(span, "attributes"), wanted)
    return Span(
        _hex(span.get("traceId")),
        _hex(span.get("spanId")),
        _hex(span.get("parentSpanId")),
        _ns(span.get("startTimeUnixNano")),
        _ns(span.get("endTimeUnixNano")),
        _object(span.get("status") or {}).get("code") in _ERROR,
        {**shared, **own},
        dropped,
    )


def _read(
    attributes: list[Any], wanted: frozenset[str]
) -> tuple[dict[str, Value], tuple[str, ...]]:
    named = ((_object(attribute).get("key"), attribute) for attribute in attributes)
    texts = ((name, attribute) for name, attribute in named if isinstance(name, str))
    return pick(texts, wanted, lambda attribute: _value(attribute.get("value")))


def _value(value: Any) -> Value | None:
    if not isinstance(value, dict):
        return None
    text, number = value.get("stringValue"), value.get("doubleValue")
    if isinstance(text, str):
        return text
    if _INT in value:
        return _int(value[_INT])
    if isinstance(number, int | float) and not isinstance(number, bool):
        return float(number)
    array = value.get("arrayValue")
    if isinstance(array, dict) and isinstance(array.get("values"), list):
        texts = [each.get("stringValue") for each in array["values"] if isinstance(each, dict)]
        return tuple(each for each in texts if isinstance(each, str))
    return None


def _int(value: Any) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _ns(value: Any) -> int:
    return min(max(_int(value) or 0, 0), _LARGEST_NS)


def _hex(value: Any) -> str:
    return value.lower() if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed("is no ExportTraceServiceRequest: an object is missing")
    return value


def _list(holder: dict[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(f"is no ExportTraceServiceRequest: `{name}` must be a list")
    return value
