"""The official exporters of OpenTelemetry, unchanged, send to a running service."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from flask import Flask
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from tests.callers import Caller, new_caller
from tests.servers import RunningService
from tests.unit.otlp.exports import CHAT

SPANS_COUNT = 60


@pytest.fixture
def caller(common_service: tuple[RunningService, Flask]) -> Caller:
    return new_caller(common_service[1], "free", turns=100)


@pytest.fixture
def spans() -> Iterator[list[Any]]:
    """An agent's run: model calls, a tool, a failure, and a web request."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("agent")
    with tracer.start_as_current_span(
        "invoke", attributes={"gen_ai.operation.name": "invoke_agent"}
    ):
        for number in range(SPANS_COUNT):
            with tracer.start_as_current_span("chat", attributes=dict(CHAT)) as call:
                if number == 0:
                    call.set_status(Status(StatusCode.ERROR, "a canary of a message"))
                    call.record_exception(TimeoutError("a canary of an exception"))
                    call.set_attribute("error.type", "TimeoutError")
        with tracer.start_as_current_span("GET", attributes={"http.request.method": "GET"}):
            pass
    yield list(memory.get_finished_spans())
    provider.shutdown()


def exporter(service: RunningService, caller: Caller, compression: Compression) -> OTLPSpanExporter:
    headers: Mapping[str, str] = {"Authorization": f"Bearer {caller.token}"}
    return OTLPSpanExporter(
        endpoint=f"{service.base_url}/v1/traces",
        headers=dict(headers),
        compression=compression,
        timeout=20,
    )


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_exporter_for_python_records_each_call_once(
    common_service: tuple[RunningService, Flask],
    caller: Caller,
    spans: list[Any],
    compression: Compression,
) -> None:
    with closing_exporter(exporter(common_service[0], caller, compression)) as sender:
        results = [sender.export(spans) for _ in range(2)]
    assert results == [SpanExportResult.SUCCESS] * 2
    items = caller.list_all()
    assert len(items) == SPANS_COUNT
    ends = [(item["status"], item["error_code"]) for item in items]
    assert ends.count(("timed_out", "timeout_error")) == 1
    assert {item["personality_id"] for item in items} == {"pers_ada"}
    assert "canary" not in str(items)


def test_a_spent_quota_ends_the_export_and_is_not_tried_again(
    common_service: tuple[RunningService, Flask], spans: list[Any]
) -> None:
    caller = new_caller(common_service[1], "free", turns=10)
    with closing_exporter(exporter(common_service[0], caller, Compression.Gzip)) as sender:
        assert sender.export(spans) is SpanExportResult.SUCCESS
    assert caller.counters()["turns_used"] == 10


def closing_exporter(made: OTLPSpanExporter) -> Any:
    class Closing:
        def close(self) -> None:
            made.shutdown()

        export = staticmethod(made.export)

    return closing(Closing())
