"""Collectors that answer byte by byte or without end: they hold no process and no memory."""

import socket
from collections.abc import Iterator
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from app.observability.span_sender import SpanSender
from app.observability.spans import MOST_ANSWER_BYTES, ShortAnswers

HEAD = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000000000\r\n\r\n"


class Slow:
    """An exporter whose calls last until `may_end` is set."""

    def __init__(self) -> None:
        self.may_end = Event()
        self.calls_count = 0

    def export(self, _batch: object) -> SpanExportResult:
        self.calls_count += 1
        assert self.may_end.wait(30)
        return SpanExportResult.SUCCESS


def test_a_call_that_does_not_end_is_given_up_and_not_repeated_meanwhile() -> None:
    exporter: Any = Slow()
    sender = SpanSender(exporter, deadline_s=0.01)
    sender.flusher = SimpleNamespace(wake=lambda: None)  # type: ignore[assignment]
    span: Any = SimpleNamespace(context=SimpleNamespace(trace_flags=SimpleNamespace(sampled=True)))
    for _ in range(3):
        sender.on_end(span)
        assert sender.flush() is False
    assert exporter.calls_count == 1
    assert sender._sending is not None
    assert sender._sending.daemon

    exporter.may_end.set()
    sender._sending.join(30)
    sender.on_end(span)
    sender.flush()
    assert exporter.calls_count == 2


@pytest.fixture
def endless() -> Iterator[str]:
    """The address of a server whose answer never ends."""
    is_over = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(HEAD + b"x" * MOST_ANSWER_BYTES)
                is_over.wait(30)

        thread = Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        is_over.set()
        thread.join(30)


def test_only_the_beginning_of_an_answer_is_read(endless: str) -> None:
    answer = ShortAnswers().request("POST", endless, data=b"spans", timeout=10)
    assert (answer.status_code, len(answer.content)) == (200, MOST_ANSWER_BYTES)
