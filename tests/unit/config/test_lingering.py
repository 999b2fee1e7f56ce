"""config/lingering.py: how a connection ends, its clock in our hands."""

import logging
import selectors
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from config import lingering
from config.lingering import LINGER_S, LingeringWorker
from tests.unit.admission.world import Hand

PIECE = b"x" * 4_096
MOST_PIECES = 64


@pytest.fixture
def clock_s(monkeypatch: pytest.MonkeyPatch) -> Hand:
    clock_s = Hand(1_000)
    monkeypatch.setattr(lingering, "time", SimpleNamespace(monotonic=clock_s))
    return clock_s


@pytest.fixture
def worker(clock_s: Hand) -> Iterator[LingeringWorker]:
    worker = LingeringWorker(1, 1, [], None, 30, Config(), logging.getLogger())
    worker.poller = selectors.DefaultSelector()
    with ExitStack() as stack:
        stack.callback(worker.tmp.close)
        stack.callback(worker.poller.close)
        yield worker


@pytest.fixture
def client(worker: LingeringWorker) -> Iterator[socket.socket]:
    """Its connection is to be closed."""
    ours, theirs = socket.socketpair()
    worker.nr_conns = 1
    with theirs:
        worker.finish_request(TConn(worker.cfg, ours, "", ""), answered(is_kept=False))
        yield theirs


def answered(*, is_kept: bool) -> Future[bool]:
    future: Future[bool] = Future()
    future.set_result(is_kept)
    return future


def test_the_client_is_told_and_closed_as_soon_as_it_hangs_up(
    worker: LingeringWorker, client: socket.socket
) -> None:
    assert client.recv(1) == b""
    assert worker.nr_conns == 1
    client.shutdown(socket.SHUT_WR)
    worker.wait_for_and_dispatch_events(1)
    assert worker.nr_conns == 0


def test_a_client_that_stays_is_closed_in_time(
    worker: LingeringWorker, client: socket.socket, clock_s: Hand
) -> None:
    for pause_s, left_count in ((0, 1), (LINGER_S, 0)):
        clock_s.us += int(pause_s)
        worker.wait_for_and_dispatch_events(0)
        assert worker.nr_conns == left_count
    with pytest.raises(BrokenPipeError):
        client.sendall(PIECE)


def test_a_client_that_sends_on_is_heard_and_cut_off(
    worker: LingeringWorker, client: socket.socket
) -> None:
    sent_count = 0
    while worker.nr_conns and sent_count < MOST_PIECES:
        client.sendall(PIECE)
        sent_count += 1
        worker.wait_for_and_dispatch_events(1)
    assert sent_count * len(PIECE) == 65_536


def test_a_connection_that_its_thread_has_closed_is_counted_out(worker: LingeringWorker) -> None:
    ours, theirs = socket.socketpair()
    connection = TConn(worker.cfg, ours, "", "")
    worker.nr_conns = 1
    with theirs:
        ours.close()
        worker.finish_request(connection, answered(is_kept=False))
        assert worker.nr_conns == 0


def test_a_connection_that_is_kept_is_gunicorns(worker: LingeringWorker) -> None:
    ours, theirs = socket.socketpair()
    connection = TConn(worker.cfg, ours, "", "")
    connection.init()
    with ours, theirs:
        worker.finish_request(connection, answered(is_kept=True))
        assert list(worker.keepalived_conns) == [connection]
