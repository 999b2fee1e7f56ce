"""Traces: a span of each request with a few facts and no text of a client, only if asked for."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app import create_app
from app.backends.backend import Backend
from app.http.application import provided
from app.observability.spans import Tracing
from app.schema import ensure_schema
from config.version import VERSION
from tests.background import without_background
from tests.callers import LIST, new_caller
from tests.collector import Collector, attributes, running_collector
from tests.servers import CURSOR_SECRET, ID_KEY, PEPPER, ROOT, settings_for
from tests.turns import stateful

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "qzxwvk"
PUBLIC = "/v1/billing/plans"
EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that answers."""
    with running_collector() as running:
        yield running


@pytest.fixture
def traced_app(memory_backend: Backend, collector: Collector) -> Flask:
    """The application on empty in-memory twins, which sends traces when a test flushes them."""
    return make_app(memory_backend, collector.url)


def make_app(backend: Backend, endpoint: str) -> Flask:
    app = without_background(
        create_app(settings_for(otel_exporter_otlp_endpoint=endpoint), backend)
    )
    no_thread: Any = SimpleNamespace(wake=lambda: None)
    with app.app_context():
        ensure_schema()
        provided(Tracing).sender.flusher = no_thread
    return app


def flush(app: Flask) -> None:
    with app.app_context():
        provided(Tracing).sender.flush()


def get(app: Flask, path: str, **headers: str) -> int:
    return app.test_client().get(path, headers=headers).status_code


def only_span(app: Flask, collector: Collector) -> Span:
    flush(app)
    (span,) = collector.spans()
    return span


def test_a_span_has_the_facts_of_its_request_and_nothing_else(
    traced_app: Flask, collector: Collector
) -> None:
    caller = new_caller(traced_app)
    answer = caller.record(stateful(f"rel_{SECRET}", turn_id=f"turn_{SECRET}"))

    span = only_span(traced_app, collector)

    assert collector.paths == ["/v1/traces"]
    assert (span.name, span.kind) == (f"POST {LIST}", Span.SPAN_KIND_SERVER)
    assert attributes(span.attributes) == {
        "http.request.method": "POST",
        "http.route": LIST,
        "http.response.status_code": 201,
        "turnledger.request_id": answer.headers["X-Request-Id"],
        "turnledger.organization": caller.organization.id,
        "turnledger.key_id": caller.key_id,
    }
    assert (list(span.events), list(span.links), span.parent_span_id) == ([], [], b"")
    assert span.status == Status()
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60 * 10**9
    assert collector.resource() == {"service.name": "turnledger", "service.version": VERSION}


def test_no_text_of_a_client_is_sent(traced_app: Flask, collector: Collector) -> None:
    caller = new_caller(traced_app)
    recorded = caller.record(stateful(f"rel_{SECRET}", user_id=f"u_{SECRET}")).get_json()
    caller("GET", f"{LIST}/{recorded['interaction_id']}")
    caller(
        SECRET.upper(),
        f"/{SECRET}?{SECRET}={SECRET}",
        headers={
            "X-Request-Id": SECRET,
            "User-Agent": SECRET,
            "Cookie": SECRET,
            "traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01",
            "tracestate": f"{SECRET}={SECRET}",
            "baggage": f"{SECRET}={SECRET}",
        },
    )
    caller.record({SECRET: SECRET})
    flush(traced_app)

    sent = b"".join(collector.bodies).lower()

    assert [span.name for span in collector.spans()] == [
        f"POST {LIST}",
        f"GET {LIST}/<interaction_id>",
        "_OTHER unmatched",
        f"POST {LIST}",
    ]
    texts = (SECRET, caller.token, recorded["interaction_id"], "127.0.0.1", "localhost")
    assert [text for text in texts if text.lower().encode() in sent] == []


@pytest.mark.parametrize(
    ("path", "status", "facts"),
    [
        ("/v1/me", 401, {"http.route": "/v1/me", "turnledger.error_code": "authentication_error"}),
        ("/absent", 404, {"http.route": "unmatched", "turnledger.error_code": "not_found"}),
    ],
)
def test_a_refusal_has_its_code_and_is_no_error_of_the_service(
    traced_app: Flask, collector: Collector, path: str, status: int, facts: dict[str, str]
) -> None:
    assert get(traced_app, path) == status

    span = only_span(traced_app, collector)
    found = attributes(span.attributes)
    del found["turnledger.request_id"]
    common = {"http.request.method": "GET", "http.response.status_code": status}
    assert (found, span.status) == ({**common, **facts}, Status())


def test_a_500_is_an_error_without_the_exceptions_text(
    traced_app: Flask, collector: Collector
) -> None:
    def fail() -> None:
        raise ValueError(SECRET)

    traced_app.view_functions["accounts.me"] = fail
    assert new_caller(traced_app)("GET", "/v1/me").status_code == 500

    span = only_span(traced_app, collector)
    assert span.status == Status(code=Status.STATUS_CODE_ERROR)
    assert attributes(span.attributes)["turnledger.error_code"] == "internal_error"
    assert list(span.events) == []


def test_the_trace_of_the_client_is_continued(traced_app: Flask, collector: Collector) -> None:
    get(traced_app, PUBLIC, traceparent=f"00-{TRACE_ID}-{PARENT_ID}-01")

    span = only_span(traced_app, collector)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    assert span.trace_state == ""


@pytest.mark.parametrize("given", ["", "nonsense", f"00-{'0' * 32}-{PARENT_ID}-01"])
def test_without_a_valid_traceparent_a_trace_begins(
    traced_app: Flask, collector: Collector, given: str
) -> None:
    for _ in range(2):
        get(traced_app, PUBLIC, traceparent=given)
    flush(traced_app)
    first, second = collector.spans()
    assert first.parent_span_id == second.parent_span_id == b""
    assert first.trace_id != second.trace_id


def test_what_the_client_does_not_sample_and_probes_are_not_sent(
    traced_app: Flask, collector: Collector
) -> None:
    get(traced_app, PUBLIC, traceparent=f"00-{TRACE_ID}-{PARENT_ID}-00")
    for probe in ("/healthz", "/readyz"):
        get(traced_app, probe)
    flush(traced_app)
    assert collector.spans() == []


def test_variables_of_opentelemetry_name_the_service_and_open_the_collector(
    monkeypatch: pytest.MonkeyPatch, memory_backend: Backend, collector: Collector
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ledger")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=eu")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20token")
    app = make_app(memory_backend, f"{collector.url}/")
    get(app, PUBLIC)
    flush(app)

    assert collector.resource()["service.name"] == "ledger"
    assert collector.resource()["deployment.environment.name"] == "eu"
    assert collector.authorizations == ["Bearer token"]
    assert collector.paths == ["/v1/traces"]


def test_the_sampler_of_opentelemetry_decides_without_a_traceparent(
    monkeypatch: pytest.MonkeyPatch, memory_backend: Backend, collector: Collector
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    app = make_app(memory_backend, collector.url)
    get(app, PUBLIC)
    get(app, PUBLIC, traceparent=f"00-{TRACE_ID}-{PARENT_ID}-01")

    assert only_span(app, collector).trace_id.hex() == TRACE_ID


def test_a_collector_that_hangs_holds_up_no_request(
    traced_app: Flask, collector: Collector
) -> None:
    collector.is_open.clear()
    get(traced_app, PUBLIC)
    sending = threading.Thread(target=flush, args=[traced_app])
    sending.start()
    assert collector.has_begun.wait(10)

    statuses = {get(traced_app, PUBLIC) for _ in range(20)}

    assert (statuses, collector.bodies) == ({200}, [])
    collector.is_open.set()
    sending.join()


def started(endpoint: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process that has the environment of a service."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            **os.environ,
            "BACKEND": "memory",
            "KEY_PEPPERS": PEPPER,
            "ID_KEY": ID_KEY,
            "CURSOR_SECRETS": CURSOR_SECRET,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        },
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("traced_app")
def test_without_the_setting_nothing_is_imported() -> None:
    """Look at the exporter: redis-py imports the SDK by itself where that is installed."""
    names = ("app.observability.spans", EXPORTER)
    code = f"import sys, wsgi; print([name in sys.modules for name in {names}])"

    assert started("", code).stdout == "[False, False]\n"
    # The application of the fixture has the setting.
    assert set(names) <= sys.modules.keys()


@pytest.mark.slow
def test_without_the_libraries_the_start_ends_with_the_fix() -> None:
    absent = "import sys; sys.modules['opentelemetry'] = None; import wsgi"

    refused = started("http://127.0.0.1:9", absent)

    assert refused.returncode == 3
    assert refused.stderr == (
        "OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry: install requirements-otel.txt, or unset "
        "it\n"
    )


@pytest.mark.slow
def test_an_endpoint_that_is_no_address_ends_the_start() -> None:
    refused = started("collector:4318", "import wsgi")

    assert refused.returncode == 3
    expected = "OTEL_EXPORTER_OTLP_ENDPOINT: must be an address like http://localhost:4318"
    assert expected in refused.stderr
