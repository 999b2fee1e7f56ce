"""Streams to clients that read quickly, slowly or not at all, or have disconnected."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest

from app.serving import streams as streams_module
from app.serving.pipes import StreamBroken
from app.serving.streams import Streams
from tests.servers import wait_until
from tests.unit.serving.fakes import Scope, adapter_to

pytestmark = pytest.mark.slow  # seconds of work

STALL_S = 0.2
# Larger than the buffer of a pipe.
MANY = [bytes([number]) * 65_536 for number in range(8)]
LONG_TIMEOUT_S = 30


class Client:
    """Receives the pipe of each stream; a test reads or closes it."""

    def __init__(self) -> None:
        self.pipes: SimpleQueue[int] = SimpleQueue()

    def response_file(self, _status: int, _headers: Any, path: str) -> None:
        self.pipes.put(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


class Chunks:
    """A stream of `parts` that records whether it has been closed."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = iter(parts)
        self.made_count = 0
        self.is_closed = Event()

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self.made_count += 1
            yield part

    def close(self) -> None:
        self.is_closed.set()


@contextmanager
def streams(
    threads_count: int = 1, producing_count: int = 1, stall_s: float = LONG_TIMEOUT_S
) -> Iterator[Streams]:
    made = Streams(threads_count, producing_count, stall_s)
    try:
        yield made
    finally:
        made.close()


def send(sender: Streams, client: Client, parts: list[bytes]) -> tuple[Chunks, int]:
    chunks = Chunks(parts)
    sender.send(client, 200, [], chunks)
    return chunks, client.pipes.get()


def test_a_client_that_reads_slowly_receives_every_byte() -> None:
    with streams() as sender:
        chunks, pipe = send(sender, Client(), MANY)
        read = b""
        while not chunks.is_closed.is_set() or read != b"".join(MANY):
            try:
                read += os.read(pipe, 4_096)
            except BlockingIOError:
                chunks.is_closed.wait(0.001)
        os.close(pipe)


def test_no_chunk_is_produced_before_the_client_has_read_the_last() -> None:
    with streams() as sender:
        chunks, pipe = send(sender, Client(), MANY)
        wait_until(lambda: chunks.made_count)
        assert not chunks.is_closed.wait(STALL_S)
        assert chunks.made_count < len(MANY)
        os.close(pipe)
        assert chunks.is_closed.wait(10)


def test_a_client_that_reads_nothing_frees_the_thread_for_the_next_stream() -> None:
    client = Client()
    with streams(stall_s=STALL_S) as sender:
        stalled, first = send(sender, client, MANY)
        following, second = send(sender, client, [b"short"])
        assert stalled.is_closed.wait(10)
        assert following.is_closed.wait(10)
        assert os.read(second, 100) == b"short"
    os.close(first)
    os.close(second)


def test_a_stream_that_lasts_too_long_ends_even_if_it_is_read_steadily(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams_module, "STREAM_S", 0)
    with streams() as sender:
        chunks, pipe = send(sender, Client(), MANY)
        assert chunks.is_closed.wait(10)
        assert chunks.made_count == 1
    os.close(pipe)


def test_a_disconnected_client_ends_its_stream_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Client):
        def response_file(self, status: int, headers: Any, path: str) -> None:
            """Leave the pipe unopened."""

    monkeypatch.setattr(streams_module, "CONNECT_S", STALL_S)
    chunks = Chunks(MANY)
    with streams() as sender:
        sender.send(Gone(), 200, [], chunks)
        assert chunks.is_closed.wait(10)
    assert chunks.made_count == 0


def test_a_failing_stream_is_closed_and_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Chunks):
        def __iter__(self) -> Iterator[bytes]:
            raise RuntimeError("on purpose")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client, chunks = Client(), Broken([])
    with streams() as sender:
        sender.send(client, 200, [], chunks)
        pipe = client.pipes.get()
        assert chunks.is_closed.wait(10)
        wait_until(lambda: not list(tmp_path.iterdir()))
    os.close(pipe)


class Lossy(Chunks):
    """A stream that fails after its parts."""

    def __init__(self, parts: list[bytes], error: Exception) -> None:
        super().__init__(parts)
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from super().__iter__()
        raise self._error


@pytest.mark.parametrize("error", [StreamBroken(), RuntimeError("on purpose")])
def test_a_stream_that_fails_midway_does_not_look_complete(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    client, chunks = Client(), Lossy([b"first"], error)
    with streams() as sender:
        sender.send(client, 200, [], chunks)
        pipe = client.pipes.get()
        assert chunks.is_closed.wait(10)
        assert os.read(pipe, 100) == b"first "
        with pytest.raises(BlockingIOError):
            os.read(pipe, 100)
    os.close(pipe)
    has_reported = isinstance(error, StreamBroken)
    assert ("stream_failed" in capsys.readouterr().out) is not has_reported


def test_a_stalled_stream_does_not_look_complete_to_a_client_that_reads_on() -> None:
    with streams(stall_s=STALL_S) as sender:
        chunks, pipe = send(sender, Client(), MANY)
        assert chunks.is_closed.wait(10)
        with open(pipe, "rb", buffering=0, closefd=False) as file:
            # None: a read of an empty pipe that fails because it may not wait.
            read = b"".join(iter(lambda: file.read(1 << 20), None))
        assert b"".join(MANY).startswith(read)
    os.close(pipe)


def test_pipes_of_broken_streams_are_closed_once_their_clients_are_gone() -> None:
    client = Client()
    with streams(stall_s=STALL_S) as sender:
        chunks, first = send(sender, client, MANY)
        assert chunks.is_closed.wait(10)
        assert sender._broken.qsize() == 1
        os.close(first)
        following, second = send(sender, client, [b"short"])
        assert following.is_closed.wait(10)
        assert sender._broken.qsize() == 0
    os.close(second)


class Held(Chunks):
    """A stream whose first chunk is produced when a test allows it."""

    def __init__(self) -> None:
        super().__init__([b"first"])
        self.may_go_on = Event()

    def __iter__(self) -> Iterator[bytes]:
        for part in super().__iter__():
            self.may_go_on.wait(LONG_TIMEOUT_S)
            yield part


def test_streams_produce_in_half_as_many_threads_as_requests() -> None:
    client, open_streams = Client(), [Held() for _ in range(6)]
    with streaming(open_streams, client):
        wait_until(lambda: sum(chunks.made_count > 0 for chunks in open_streams) == 4)
        assert not open_streams[0].is_closed.wait(STALL_S)
        assert sum(chunks.made_count > 0 for chunks in open_streams) == 4
        for chunks in open_streams:  # the next one produces when one has
            chunks.may_go_on.set()
        for chunks in open_streams:
            assert chunks.is_closed.wait(10)
    while not client.pipes.empty():
        os.close(client.pipes.get())


def test_clients_that_read_slowly_leave_threads_to_other_streams() -> None:
    client, open_streams = Client(), [Chunks(MANY) for _ in range(18)]
    with streaming(open_streams, client):
        wait_until(lambda: sum(chunks.made_count > 0 for chunks in open_streams) == 16)
        assert not open_streams[0].is_closed.wait(STALL_S)
        assert sum(chunks.made_count > 0 for chunks in open_streams) == 16
        for chunks in open_streams:  # the next one begins when one has ended
            wait_until(lambda chunks=chunks: chunks.made_count)
            os.close(client.pipes.get())
            assert chunks.is_closed.wait(10)


@contextmanager
def streaming(open_streams: list[Any], client: Client) -> Iterator[None]:
    """Send these streams through an adapter with eight threads."""
    waiting = iter(open_streams)

    def app(_environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return next(waiting)

    with adapter_to(app, threads_count=8) as adapter:
        for _ in open_streams:
            asyncio.run(adapter.__rsgi__(Scope(), client))
        yield


def test_a_client_that_disconnects_while_nothing_is_found_ends_its_stream() -> None:
    class Empty(Chunks):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                self.made_count += 1
                yield b""

    client, chunks = Client(), Empty([])
    with streams() as sender:
        sender.send(client, 200, [], chunks)
        wait_until(lambda: chunks.made_count > 1)
        os.close(client.pipes.get())
        assert chunks.is_closed.wait(10)
