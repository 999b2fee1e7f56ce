"""Send ended spans in batches, in the background and once more when the process ends."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread

import structlog
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.observability.flusher import Flusher

MOST_IN_BATCH = 512
# Of more that wait, the oldest are lost.
MOST_WAITING = 2_048
REPORT_EVERY_S = 60.0
# Longer than the exporter's own time limit.
DEADLINE_S = 3.0
_log = structlog.get_logger("turnledger.traces")


class SpanSender(SpanProcessor):
    """Keeps ended spans until a thread sends them, 2 seconds later.

    OpenTelemetry's `BatchSpanProcessor` starts its thread when it is made: in commands, and before
    a fork. It also holds up the end of a process by 30 seconds while the collector is unavailable.

    A batch that cannot be sent is lost, and reported once a minute. The rest waits. A collector
    that answers byte by byte meets no time limit of a socket: after `deadline_s` its batch is given
    up, and so are the next ones until the call has ended.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        deadline_s: float = DEADLINE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exporter = exporter
        self._deadline_s = deadline_s
        self._monotonic = monotonic
        self._sending: Thread | None = None
        self._waiting: deque[ReadableSpan] = deque(maxlen=MOST_WAITING)
        self._reported_at_s: float | None = None
        self.flusher = Flusher("traces", self.flush)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span that is sampled."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._waiting.append(span)
            self.flusher.wake()

    def flush(self) -> bool:
        """Send what waits; return True if a batch failed and others are left."""
        while batch := self._next_batch():
            if not self._is_sent(batch):
                self._report(len(batch))
                break
        return bool(self._waiting)

    def _next_batch(self) -> Sequence[ReadableSpan]:
        count = min(len(self._waiting), MOST_IN_BATCH)
        return [self._waiting.popleft() for _ in range(count)]

    def _is_sent(self, batch: Sequence[ReadableSpan]) -> bool:
        if self._sending is not None and self._sending.is_alive():
            return False
        results: list[SpanExportResult] = []

        def send() -> None:
            with suppress(Exception):
                results.append(self._exporter.export(batch))

        sending = Thread(target=send, name="traces-batch", daemon=True)
        with suppress(RuntimeError):  # no thread can start
            sending.start()
            self._sending = sending
            sending.join(self._deadline_s)
        return results == [SpanExportResult.SUCCESS]

    def _report(self, spans_count: int) -> None:
        now_s = self._monotonic()
        if self._reported_at_s is None or now_s - self._reported_at_s >= REPORT_EVERY_S:
            self._reported_at_s = now_s
            _log.warning("traces_not_sent", spans=spans_count)
