"""A collector of traces on a free port, as OpenTelemetry's own: OTLP over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What has arrived; while `is_open` is unset, requests are not answered."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    has_begun: threading.Event = field(default_factory=threading.Event)
    is_open: threading.Event = field(default_factory=threading.Event)

    def requests(self) -> list[ExportTraceServiceRequest]:
        """Return what was sent, parsed."""
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    def spans(self) -> list[Span]:
        """Return every span, in the order of its arrival."""
        return [
            span
            for request in self.requests()
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]

    def servers(self) -> list[Span]:
        """Return the spans of requests."""
        return [span for span in self.spans() if span.kind == Span.SPAN_KIND_SERVER]

    def resource(self) -> dict[str, Any]:
        """Return the attributes of the process that sent the first spans."""
        return attributes(self.requests()[0].resource_spans[0].resource.attributes)


def attributes(pairs: Any) -> dict[str, Any]:
    """Return the attributes of a span or a resource."""
    return {pair.key: _value(pair.value) for pair in list[KeyValue](pairs)}


def _value(value: AnyValue) -> Any:
    return getattr(value, str(value.WhichOneof("value")))


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Collect spans until the block ends."""
    collector = Collector()
    collector.is_open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.has_begun.set()
            collector.is_open.wait()
            collector.paths.append(self.path)
            collector.authorizations.append(self.headers.get("Authorization"))
            collector.bodies.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        collector.is_open.set()
        server.shutdown()
        thread.join()
        server.server_close()
