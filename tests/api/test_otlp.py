"""`POST /v1/traces`: OTLP over HTTP."""

import gzip
import logging
from typing import Any

import orjson
import pytest
from flask import Flask
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from prometheus_client import REGISTRY
from werkzeug.test import TestResponse

from app.interactions.attempts import RecordingOutcome
from app.interactions.errors import TurnNotStored
from app.interactions.recording import Recorder
from app.otlp import routes, service
from app.tenancy.model import Scope
from tests.api.conftest import NewCaller
from tests.callers import Caller, Clock, error_of
from tests.unit.otlp.exports import CHAT, export, protobuf, span

TRACES = "/v1/traces"
PROTOBUF = "application/x-protobuf"


@pytest.fixture
def at_present(app: Flask, clock: Clock) -> Clock:
    """The ledger's clock, at the instant of this machine, as the spans are."""
    return clock


def send(caller: Caller, body: Any, **options: Any) -> TestResponse:
    return caller("POST", TRACES, json=body, **options)


def send_protobuf(caller: Caller, body: Any) -> tuple[TestResponse, Any]:
    answer = caller("POST", TRACES, data=protobuf(body), content_type=PROTOBUF)
    return answer, ExportTraceServiceResponse.FromString(answer.data).partial_success


def spans_counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("turnledger_otlp_spans_total", {"outcome": outcome}) or 0


def test_an_export_in_json_is_recorded_once_however_often_it_is_sent(caller: Caller) -> None:
    body = export(span(), span({"http.request.method": "GET"}))
    for _ in range(2):
        answer = send(caller, body)
        assert (answer.status_code, answer.get_json()) == (200, {})
    (item,) = caller.list_all()
    assert (item["user_id"], item["usage"]["llm_model"]) == ("u_42", "gpt-4o-2024")
    assert (item["latency_ms"], item["time_to_first_token_ms"]) == (1_840, 310)
    assert caller.counters()["turns_used"] == 1


def test_an_export_in_protobuf_is_answered_in_protobuf(caller: Caller) -> None:
    answer, partial = send_protobuf(caller, export(span(), span()))
    assert (answer.status_code, answer.mimetype) == (200, PROTOBUF)
    assert (partial.rejected_spans, partial.error_message) == (0, "")
    assert caller.rows_count() == 2


def test_a_spent_quota_is_a_partial_success(tenant: NewCaller) -> None:
    caller = tenant("free", turns=2)
    answer, partial = send_protobuf(caller, export(*(span() for _ in range(5))))
    assert answer.status_code == 200
    assert partial.rejected_spans == 3
    assert partial.error_message == "3 spans are not recorded: 3 quota_exhausted (turns)."
    assert caller.rows_count() == 2


def test_a_lone_span_behind_an_empty_bucket_and_a_spent_quota_is_a_partial_success(
    tenant: NewCaller,
) -> None:
    caller = tenant("free", turns=1, requests_per_second=1, burst=1)
    send(caller, export(span()))
    answer = send(caller, export(span()))
    assert answer.status_code == 200
    assert answer.get_json()["partialSuccess"]["errorMessage"].endswith("quota_exhausted (turns).")
    assert caller.rows_count() == 1


def test_spans_that_are_too_old_or_have_no_ids_are_named(caller: Caller) -> None:
    old = span(startTimeUnixNano="1000000000000000000")
    answer = send(caller, export(old, span(spanId=""), span()))
    partial = answer.get_json()["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert "1 validation_error (occurred_at)" in partial["errorMessage"]
    assert "1 without a trace id or a span id" in partial["errorMessage"]
    assert caller.rows_count() == 1


def test_an_empty_bucket_is_429_with_its_wait(tenant: NewCaller) -> None:
    caller = tenant("free", requests_per_second=1, burst=1)
    send(caller, export())
    answer = send(caller, export(span()))
    assert (answer.status_code, error_of(answer)["code"]) == (429, "rate_limit_exceeded")
    assert int(answer.headers["Retry-After"]) >= 1
    assert caller.rows_count() == 0


def test_fifty_turns_cost_a_token(tenant: NewCaller) -> None:
    caller = tenant("free", requests_per_second=1, burst=9, turns=1_000)
    answer = send(caller, export(*(span() for _ in range(51)), *(span({}) for _ in range(99))))
    assert answer.headers["X-RateLimit-Remaining"] == "7"


def test_rejected_calls_cost_tokens_too(tenant: NewCaller) -> None:
    caller = tenant("free", requests_per_second=1, burst=9, turns=1_000)
    answer = send(caller, export(*(span(startTimeUnixNano="0") for _ in range(51))))
    assert answer.get_json()["partialSuccess"]["rejectedSpans"] == "51"
    assert answer.headers["X-RateLimit-Remaining"] == "7"


def test_calls_beyond_the_most_of_a_request_are_not_even_read(
    own: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_TURNS", 2)
    broken = [span(startTimeUnixNano="0") for _ in range(3)]
    partial = send(own, export(*broken, span())).get_json()["partialSuccess"]
    assert partial["rejectedSpans"] == "4"
    assert "2 beyond the most of one request" in partial["errorMessage"]


def test_a_turn_that_the_database_refuses_does_not_stop_the_others(
    own: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_many = Recorder.record_many

    def refuse_the_first(*arguments: Any, **options: Any) -> list[RecordingOutcome]:
        return [TurnNotStored(), *record_many(*arguments, **options)[1:]]

    monkeypatch.setattr(Recorder, "record_many", refuse_the_first)
    answer = send(own, export(span(), span()))
    assert answer.status_code == 200
    assert "1 internal_error" in answer.get_json()["partialSuccess"]["errorMessage"]


def test_more_than_a_batch_is_recorded(caller: Caller) -> None:
    body = gzip.compress(orjson.dumps(export(*(span() for _ in range(620)))))
    options = {"content_type": "application/json", "headers": {"Content-Encoding": "gzip"}}
    answer = caller("POST", TRACES, data=body, **options)
    assert (answer.status_code, answer.get_json()) == (200, {})
    assert caller.rows_count() == caller.counters()["turns_used"] == 620


@pytest.mark.parametrize(
    ("data", "media_type", "coding", "status"),
    [
        (b"\xff\xff", PROTOBUF, "", 400),
        (b"{", "application/json", "", 400),
        (b"[]", "application/json", "", 400),
        (b"", "text/plain", "", 415),
        (b" " * 1_100_000, "application/json", "", 413),
        (gzip.compress(b" " * 9_000_000), "application/json", "gzip", 413),
        (b"no gzip", "application/json", "gzip", 400),
        (b"{}", "application/json", "br", 415),
    ],
)
def test_another_body_is_refused(
    own: Caller, data: bytes, media_type: str, coding: str, status: int
) -> None:
    headers = {"Content-Encoding": coding} if coding else {}
    answer = own("POST", TRACES, data=data, content_type=media_type, headers=headers)
    assert answer.status_code == status
    assert own.rows_count() == 0


@pytest.mark.parametrize(("scope", "code"), [(Scope.READ, 7), (Scope.READ_WRITE, 3)])
def test_a_failure_in_protobuf_is_a_status(tenant: NewCaller, scope: Scope, code: int) -> None:
    caller = tenant(scope=scope)
    answer = caller("POST", TRACES, data=b"\xff\xff", content_type=PROTOBUF)
    assert answer.mimetype == PROTOBUF
    status = ExportTracePartialSuccess.FromString(answer.data)  # the same fields on the wire
    assert status.rejected_spans == code
    assert status.error_message


def test_without_its_extra_a_service_takes_json_only(
    own: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_find_protobuf", lambda: None)
    answer = own("POST", TRACES, data=b"", content_type=PROTOBUF)
    assert (answer.status_code, "extra otlp" in error_of(answer)["message"]) == (415, True)
    assert send(own, export(span())).status_code == 200


def test_a_key_that_only_reads_is_refused(tenant: NewCaller) -> None:
    assert send(tenant(scope=Scope.READ), export(span())).status_code == 403


def test_spans_are_counted_by_outcome_and_dropped_attributes_by_name(own: Caller) -> None:
    before = {name: spans_counted(name) for name in ("recorded", "duplicate", "ignored")}
    body = export(span({**CHAT, "gen_ai.prompt.0.role": "user"}), span({}))
    send(own, body)
    send(own, body)
    after = {name: spans_counted(name) - before[name] for name in before}
    assert after == {"recorded": 1, "duplicate": 1, "ignored": 2}
    labels = {"attribute": "gen_ai.prompt.N.role"}
    assert REGISTRY.get_sample_value("turnledger_otlp_dropped_attributes_total", labels)


def test_no_text_of_a_span_stays_anywhere(
    caller: Caller, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = "canary-7f3a says hello"
    attributes = {
        **CHAT,
        "gen_ai.input.messages": canary,
        "gen_ai.system_instructions": [canary],
        canary: "value",
        "user.id": canary,
        "error.type": canary,
        "gen_ai.agent.name": canary,
    }
    event = {"name": canary, "attributes": [{"key": "content", "value": {"stringValue": canary}}]}
    sent = span(attributes, name=canary, events=[event], status={"code": 2, "message": canary})
    with caplog.at_level(logging.DEBUG):
        answers = [send(caller, export(sent)), send_protobuf(caller, export(sent))[0]]
    assert [answer.status_code for answer in answers] == [200, 200]
    shown = "".join(
        [
            *(answer.text for answer in answers),
            *(str(item) for item in caller.list_all()),
            caplog.text,
            *capsys.readouterr(),
            *(str(metric) for metric in REGISTRY.collect()),
        ]
    )
    assert "canary-7f3a" not in shown
    assert caller.rows_count() == 1
