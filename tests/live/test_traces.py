"""Traces of a running service: calls to both stores, and a collector that is down."""

import re
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.callers import LIST, app_beside, http_client, new_caller
from tests.collector import Collector, attributes, running_collector
from tests.servers import RunningService, ServerKind, environ_for, running_service, wait_until
from tests.turns import stateful

OwnStores = Callable[[], tuple[str, str]]
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SECRET = "qzxwvk"


@pytest.mark.parametrize("kind", ServerKind)
def test_calls_to_the_stores_are_spans_and_the_last_ones_are_sent_at_the_end(
    own_stores: OwnStores, tmp_path: Path, kind: ServerKind
) -> None:
    with running_collector() as collector:
        environ = environ_for(*own_stores(), **{ENDPOINT: collector.url})
        with running_service(environ, tmp_path / "log", workers_count=1, kind=kind) as service:
            record_secrets(service)
            (server,) = wait_until(collector.servers)
            assert_calls_are_below(server, collector)
            assert statuses(service, 3) == {200}
        assert len(collector.servers()) == 4


def record_secrets(service: RunningService) -> None:
    """Record a turn of which nothing may be in a span."""
    body = stateful(f"rel_{SECRET}", turn_id=f"turn_{SECRET}", user_id=f"u_{SECRET}")
    with app_beside(service) as app, http_client(service, new_caller(app)) as client:
        assert client.post(LIST, json=body).status_code == 201


def assert_calls_are_below(server: Span, collector: Collector) -> None:
    calls = [span for span in collector.spans() if span.kind == Span.SPAN_KIND_CLIENT]
    assert {span.trace_id for span in calls} == {server.trace_id}
    assert {span.parent_span_id for span in calls} == {server.span_id}
    for span in calls:
        found = attributes(span.attributes)
        assert set(found) == {"db.system.name", "db.operation.name"}
        assert span.name == f"{found['db.operation.name']} {found['db.system.name']}"
        assert list(span.events) == []
        begun = server.start_time_unix_nano - 10**6  # durations of commands are microseconds
        assert begun <= span.start_time_unix_nano <= span.end_time_unix_nano
    assert {"EVALSHA redis", "insert mongodb"} <= {span.name for span in calls}
    assert SECRET.encode() not in b"".join(collector.bodies)


def test_a_collector_that_is_down_costs_no_request_anything(
    own_stores: OwnStores, tmp_path: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    environ = environ_for(*own_stores(), **{ENDPOINT: f"http://127.0.0.1:{port}"})
    with running_service(environ, tmp_path / "log", workers_count=1) as service:
        assert statuses(service, 20) == {200}
        wait_until(lambda: "traces_not_sent" in service.log.read_text())
        assert statuses(service, 20) == {200}
    log = service.log.read_text()
    assert log.count("traces_not_sent") == 1  # once a minute
    assert f":{port}" not in log
    assert not re.search(r"Traceback|[Rr]efused|opentelemetry|NewConnection", log)


def statuses(service: RunningService, count: int) -> set[int]:
    with http_client(service) as client:
        return {client.get("/v1/billing/plans").status_code for _ in range(count)}
