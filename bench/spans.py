"""Case `spans`: OpenTelemetry spans into one worker, beside batches of as many turns as JSON.

A request has 500 model calls with a prompt of 400 characters each, in protobuf, as exporters send
them. The goal is 5,000 spans a second in one worker. The ratio is a check for regressions only: the
turns beside have more fields and more participants, and come by twice as many connections.
"""

import secrets
import time
from collections.abc import Iterator, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.interactions.schemas import MAX_PER_BATCH
from bench.ledger import Ledger, empty_ledger
from bench.pairs import Bar, Result, alternated
from bench.posts import posted
from bench.recording import BATCH_CONNECTIONS, BATCHES_PER_S, batches, recorded
from bench.sites import running
from bench.sizes import Sizes
from bench.stage import Stage
from bench.wrk import Load

PATH = "/v1/traces"
BAR = Bar(floor=0.5, goal=0.8)
PROTOBUF = {"Content-Type": "application/x-protobuf"}
TEXTS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-0123456789",
    "gen_ai.conversation.id": "rel_42",
    "user.id": "u_42",
    "gen_ai.input.messages": "a word or two " * 28,
    "server.address": "api.openai.com",
}
NUMBERS = {"gen_ai.usage.input_tokens": 374, "gen_ai.usage.output_tokens": 44, "server.port": 443}


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Measure spans a second into one worker, beside turns a second into another one."""
    ours, theirs = empty_ledger(stage), empty_ledger(stage)
    with (
        running(stage, ours, workers_count=1) as service,
        running(stage, theirs, workers_count=1) as other,
    ):

        def post(url: str, ledger: Ledger, sent: Sequence[bytes]) -> Load:
            headers = {**ledger.headers, **PROTOBUF}
            connections = BATCH_CONNECTIONS // 2
            return posted(url, headers, sent, seconds=sizes.seconds, connections=connections)

        spans = recorded(
            stage, service, ours, PATH, lambda: exports(sizes), post, units=MAX_PER_BATCH
        )
        turns = batches(stage, other, theirs, sizes)
        yield Result(
            "spans", "batches of 500", "turns/s", alternated(spans, turns, sizes.pairs), BAR
        )


def exports(sizes: Sizes) -> list[bytes]:
    """Return bodies of new spans, more than can be recorded."""
    return [export(MAX_PER_BATCH) for _ in range(BATCHES_PER_S * sizes.seconds)]


def export(count: int) -> bytes:
    """Return one body."""
    made = ExportTraceServiceRequest()
    spans = made.resource_spans.add().scope_spans.add().spans
    start_ns = time.time_ns() - 10_000_000_000
    for _ in range(count):
        span = spans.add(name="chat gpt-4o", start_time_unix_nano=start_ns)
        span.trace_id, span.span_id = secrets.token_bytes(16), secrets.token_bytes(8)
        span.end_time_unix_nano = start_ns + 1_840_000_000
        for name, text in TEXTS.items():
            span.attributes.add(key=name).value.string_value = text
        for name, number in NUMBERS.items():
            span.attributes.add(key=name).value.int_value = number
    encoded: bytes = made.SerializeToString()
    return encoded
