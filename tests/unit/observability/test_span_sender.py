"""Ended spans: sent in batches, bounded, and lost without harm while a collector is unavailable."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from opentelemetry.sdk.trace.export import SpanExportResult
from structlog.testing import capture_logs

from app.observability.span_sender import MOST_IN_BATCH, MOST_WAITING, REPORT_EVERY_S, SpanSender


class Exporter:
    """Keeps what is sent; `outcome` is returned, or raised if it is an exception."""

    def __init__(self) -> None:
        self.outcome: Any = SpanExportResult.SUCCESS
        self.batches: list[Sequence[Any]] = []

    def export(self, batch: Sequence[Any]) -> SpanExportResult:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        self.batches.append(batch)
        result: SpanExportResult = self.outcome
        return result


class Bench:
    """A sender without a thread, on a clock that stands still."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.woken_count = 0
        self.exporter = Exporter()
        exporter: Any = self.exporter
        self.sender = SpanSender(exporter, monotonic=lambda: self.now_s)
        flusher: Any = SimpleNamespace(wake=self._wake)
        self.sender.flusher = flusher

    def _wake(self) -> None:
        self.woken_count += 1

    def end(self, *names: int, is_sampled: bool = True) -> None:
        for name in names:
            flags = SimpleNamespace(sampled=is_sampled)
            span: Any = SimpleNamespace(name=name, context=SimpleNamespace(trace_flags=flags))
            self.sender.on_end(span)

    def sent(self) -> list[list[int]]:
        return [[span.name for span in batch] for batch in self.exporter.batches]


def test_spans_are_sent_in_batches_in_their_order() -> None:
    bench = Bench()
    names = range(MOST_IN_BATCH + 3)
    bench.end(*names)

    assert bench.sender.flush() is False
    assert bench.sent() == [[*names[:MOST_IN_BATCH]], [*names[MOST_IN_BATCH:]]]
    assert bench.woken_count == len(names)


def test_a_span_that_is_not_sampled_wakes_nothing() -> None:
    bench = Bench()
    bench.end(1, is_sampled=False)

    assert bench.sender.flush() is False
    assert (bench.sent(), bench.woken_count) == ([], 0)


def test_of_too_many_the_oldest_are_lost() -> None:
    bench = Bench()
    bench.end(*range(MOST_WAITING + 5))
    bench.sender.flush()

    assert [name for batch in bench.sent() for name in batch] == [*range(5, MOST_WAITING + 5)]


def test_a_batch_that_cannot_be_sent_is_lost_and_the_rest_waits() -> None:
    for outcome in (SpanExportResult.FAILURE, OSError("http://user:secret@collector")):
        bench = Bench()
        bench.exporter.outcome = outcome
        bench.end(*range(MOST_IN_BATCH + 3))
        with capture_logs() as lines:
            assert bench.sender.flush() is True
        bench.exporter.outcome, bench.exporter.batches = SpanExportResult.SUCCESS, []

        assert bench.sender.flush() is False
        assert bench.sent() == [[*range(MOST_IN_BATCH, MOST_IN_BATCH + 3)]]
        assert lines == [
            {"event": "traces_not_sent", "spans": MOST_IN_BATCH, "log_level": "warning"}
        ]


def test_an_outage_is_reported_once_a_minute() -> None:
    bench = Bench()
    bench.exporter.outcome = SpanExportResult.FAILURE
    with capture_logs() as lines:
        for now_s in (0, 1, REPORT_EVERY_S - 1, REPORT_EVERY_S, REPORT_EVERY_S + 1):
            bench.now_s = now_s
            bench.end(1)
            bench.sender.flush()
    assert len(lines) == 2
