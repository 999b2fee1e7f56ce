"""Exports of spans in both encodings."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

CHAT: Mapping[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024",
    "gen_ai.usage.input_tokens": 374,
    "gen_ai.usage.output_tokens": 44,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.response.time_to_first_chunk": 0.31,
    "gen_ai.conversation.id": "rel_42",
    "user.id": "u_42",
    "gen_ai.agent.name": "pers_ada",
}
Json = dict[str, Any]


def span(
    attributes: Mapping[str, Any] = CHAT,
    *,
    parent: Json | None = None,
    duration_ms: int = 1_840,
    is_error: bool = False,
    **changes: Any,
) -> Json:
    """Return a span as OTLP's JSON has it."""
    start_ns = time.time_ns() - 60_000_000_000
    made = {
        "traceId": parent["traceId"] if parent else secrets.token_hex(16),
        "spanId": secrets.token_hex(8),
        "parentSpanId": parent["spanId"] if parent else "",
        "name": "chat gpt-4o",
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + duration_ms * 1_000_000),
        "attributes": [{"key": key, "value": value_of(attributes[key])} for key in attributes],
        "status": {"code": 2 if is_error else 0},
    }
    return made | changes


def value_of(value: Any) -> Json:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [value_of(each) for each in value]}}


def export(*spans: Json, resource: Mapping[str, Any] | None = None) -> Json:
    """Return an export as OTLP's JSON has it."""
    shared = [{"key": key, "value": value_of(value)} for key, value in (resource or {}).items()]
    return {
        "resourceSpans": [{"resource": {"attributes": shared}, "scopeSpans": [{"spans": [*spans]}]}]
    }


def protobuf(body: Json) -> bytes:
    """Return the same export in protobuf."""
    made = ExportTraceServiceRequest()
    for each in body["resourceSpans"]:
        resource_spans = made.resource_spans.add()
        _add(resource_spans.resource.attributes, each["resource"]["attributes"])
        for scope in each["scopeSpans"]:
            scope_spans = resource_spans.scope_spans.add()
            for sent in scope["spans"]:
                _add_span(scope_spans.spans.add(), sent)
    return made.SerializeToString()


def _add_span(added: Any, sent: Json) -> None:
    added.trace_id = bytes.fromhex(sent["traceId"])
    added.span_id = bytes.fromhex(sent["spanId"])
    added.parent_span_id = bytes.fromhex(sent["parentSpanId"])
    added.name = sent["name"]
    added.start_time_unix_nano = int(sent["startTimeUnixNano"])
    added.end_time_unix_nano = int(sent["endTimeUnixNano"])
    added.status.code = sent["status"]["code"]
    added.status.message = sent["status"].get("message", "")
    for event in sent.get("events", []):
        made = added.events.add()
        made.name = event["name"]
        _add(made.attributes, event["attributes"])
    _add(added.attributes, sent["attributes"])


def _add(attributes: Any, sent: list[Json]) -> None:
    for each in sent:
        added = attributes.add()
        added.key = each["key"]
        _set(added.value, each["value"])


def _set(value: Any, sent: Json) -> None:
    if "stringValue" in sent:
        value.string_value = sent["stringValue"]
    elif "intValue" in sent:
        value.int_value = int(sent["intValue"])
    elif "doubleValue" in sent:
        value.double_value = sent["doubleValue"]
    elif "boolValue" in sent:
        value.bool_value = sent["boolValue"]
    elif "kvlistValue" in sent:
        value.kvlist_value.SetInParent()
    else:
        value.array_value.SetInParent()
        for each in sent["arrayValue"]["values"]:
            _set(value.array_value.values.add(), each)
