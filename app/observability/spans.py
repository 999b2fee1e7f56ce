"""Make a span of each request and of its calls to the stores, and send them by OTLP/HTTP.

Of OpenTelemetry's own variables the SDK reads those of the sampler, of the resource and of the
exporter's headers and certificates: docs/operate/tracing.md. Only `tracing` imports this module.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.observability.answer import Answer
from app.observability.answers import OTHER_METHOD
from app.observability.span_sender import SpanSender
from config.version import VERSION

# A collector that does not answer delays the end of a process by so long.
TIMEOUT_S = 2.0
MOST_ANSWER_BYTES = 16_384
_NAME = "turnledger"
# Platforms ask for them every second.
_PROBES = frozenset({"/healthz", "/readyz"})
_propagator = TraceContextTextMapPropagator()
Application = Callable[[Any, Any], Iterable[bytes]]


def exporter_to(endpoint: str) -> SpanExporter:
    """Return the exporter to a collector; its own log, which names addresses, is switched off."""
    log = logging.getLogger("opentelemetry")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    url = f"{endpoint.rstrip('/')}/v1/traces"
    return OTLPSpanExporter(endpoint=url, timeout=TIMEOUT_S, session=ShortAnswers())


class ShortAnswers(requests.Session):
    """Reads no more than the beginning of an answer: a wrong address may send any amount."""

    def request(self, *given: Any, **options: Any) -> requests.Response:
        """Send a request, and read at most `MOST_ANSWER_BYTES` of its answer, as sent."""
        answer = super().request(*given, **{**options, "stream": True})
        answer._content = answer.raw.read(MOST_ANSWER_BYTES, decode_content=False)  # noqa: SLF001
        answer.close()
        return answer


class Tracing:
    """Makes the spans of one process; safe between threads.

    A span contains no query, no body, no address of a client and no id from a path. Calls outside
    of a request have no span, and a streamed answer's span ends before its body.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self.sender = SpanSender(exporter)
        # `SpanSender` sends the last spans at the end of a process.
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(self.sender)
        self._tracer = provider.get_tracer(_NAME, VERSION)

    def wrap(self, application: Application) -> Application:
        """Return a WSGI application that makes a span of each request but probes."""

        def traced(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["PATH_INFO"] in _PROBES:
                return application(environ, start_response)
            with self._tracer.start_as_current_span(
                "request",
                context=_parent(environ),
                kind=SpanKind.SERVER,
                record_exception=False,  # it would contain the exception's text
                set_status_on_exception=False,
            ):
                return application(environ, start_response)

        return traced

    def note_answer(self, answer: Answer) -> None:
        """Describe the answer in the span of the current request."""
        span = get_current_span()
        method = "_OTHER" if answer.method == OTHER_METHOD else answer.method
        span.update_name(f"{method} {answer.route}")
        attributes: dict[str, str | int | None] = {
            "http.request.method": method,
            "http.route": answer.route,
            "http.response.status_code": answer.status,
            "turnledger.request_id": answer.request_id,
            "turnledger.error_code": answer.error_code,
            "turnledger.organization": answer.organization,
            "turnledger.key_id": answer.key_id,
        }
        for name, value in attributes.items():
            if value is not None:
                span.set_attribute(name, value)
        if answer.status >= 500:
            span.set_status(StatusCode.ERROR)

    def note_call(self, store: str, operation: str, duration_s: float, *, has_failed: bool) -> None:
        """Make a span of a call to a store that has just ended in the current request."""
        if not get_current_span().is_recording():
            return
        ended_ns = time.time_ns()
        span = self._tracer.start_span(
            f"{operation} {store}",
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": store, "db.operation.name": operation},
            start_time=ended_ns - int(duration_s * 1_000_000_000),
        )
        if has_failed:
            span.set_status(StatusCode.ERROR)
        span.end(ended_ns)


def _parent(environ: dict[str, Any]) -> Context:
    """Return the client's span as the parent; a new trace without a valid `traceparent`.

    `tracestate` is left out: it is any text of the client, and would be stored with each span.
    """
    return _propagator.extract({"traceparent": environ.get("HTTP_TRACEPARENT", "")}, Context())


def _resource() -> Resource:
    own = Resource({"service.name": _NAME, "service.version": VERSION})
    return own.merge(OTELResourceDetector().detect())
