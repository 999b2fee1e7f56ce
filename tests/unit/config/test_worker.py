"""config/worker.py: when a worker takes a connection, its clock in our hands."""

import logging
import selectors
import socket
from collections.abc import Iterator
from concurrent import futures
from contextlib import ExitStack
from unittest import mock

import pytest
from gunicorn.config import Config

from config import worker as module
from config.worker import ACCEPT_DELAY_S, NEWCOMER_S, SharingWorker
from tests.unit.clocks import Monotonic

THREADS_COUNT = 2


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    clock = Monotonic()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def worker(listener: socket.socket, clock: Monotonic) -> Iterator[SharingWorker]:
    """With as many connections as it has threads, and one more that waits."""
    config = Config()
    config.set("threads", THREADS_COUNT)
    config.set("workers", 2)
    worker = SharingWorker(1, 1, [listener], None, 30, config, logging.getLogger())
    worker.poller = selectors.DefaultSelector()
    with ExitStack() as stack:
        stack.callback(worker.tmp.close)
        stack.callback(worker.poller.close)
        for _ in range(THREADS_COUNT + 1):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        worker.set_accept_enabled(True)
        for _ in range(THREADS_COUNT):
            worker.accept(listener)
        yield worker
        for key in worker.poller.get_map().values():
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()


def listens(worker: SharingWorker, listener: socket.socket) -> bool:
    """Whether it does, once its loop has come round."""
    worker.set_accept_enabled(True)
    return listener in [key.fileobj for key in worker.poller.get_map().values()]


def test_a_busy_worker_leaves_a_connection_for_a_moment_and_takes_it_then(
    worker: SharingWorker, listener: socket.socket, clock: Monotonic
) -> None:
    worker.accept(listener)
    assert worker.nr_conns == THREADS_COUNT
    assert not listens(worker, listener)

    clock.now_s += ACCEPT_DELAY_S
    assert listens(worker, listener)
    worker.accept(listener)
    assert worker.nr_conns == THREADS_COUNT + 1


def test_somebody_else_may_have_taken_it(
    worker: SharingWorker, listener: socket.socket, clock: Monotonic
) -> None:
    worker.accept(listener)
    clock.now_s += ACCEPT_DELAY_S
    listener.accept()[0].close()

    worker.set_accept_enabled(True)
    worker.wait_for_and_dispatch_events(0)

    # The next newcomer is left to others, too.
    with socket.create_connection(listener.getsockname()):
        worker.accept(listener)
        assert worker.nr_conns == THREADS_COUNT
        assert not listens(worker, listener)


def test_who_stays_silent_keeps_no_worker_busy(
    worker: SharingWorker, listener: socket.socket, clock: Monotonic
) -> None:
    clock.now_s += NEWCOMER_S
    worker.accept(listener)
    assert worker.nr_conns == THREADS_COUNT + 1


@pytest.mark.parametrize("reason", ["alone", "ending"])
def test_what_nobody_else_will_take_is_not_left(
    worker: SharingWorker, listener: socket.socket, reason: str
) -> None:
    if reason == "alone":
        worker.cfg.set("workers", 1)
    else:
        worker.is_ending = True
    worker.accept(listener)
    assert worker.nr_conns == THREADS_COUNT + 1


def test_what_was_left_is_taken_before_the_end(
    worker: SharingWorker, listener: socket.socket
) -> None:
    worker.accept(listener)
    with socket.create_connection(listener.getsockname()):
        worker.alive = False
        worker.set_accept_enabled(False)
    assert worker.nr_conns == THREADS_COUNT + 2


def test_the_loop_waits_no_longer_than_the_delay(
    worker: SharingWorker, listener: socket.socket
) -> None:
    worker.accept(listener)
    with mock.patch.object(worker.poller, "select", return_value=[]) as select:
        worker.wait_for_and_dispatch_events(1.0)
    assert select.call_args.args == (pytest.approx(ACCEPT_DELAY_S),)


def test_a_request_keeps_a_thread_busy_until_it_is_finished(
    worker: SharingWorker, listener: socket.socket
) -> None:
    connection = worker.pending_conns[0]
    with futures.ThreadPoolExecutor(1) as worker.tpool, mock.patch.object(worker, "handle"):
        worker.method_queue.init()
        worker.on_pending_socket_readable(connection, connection.sock)
    assert worker._is_busy

    done: futures.Future[bool] = futures.Future()
    done.set_result(False)
    worker.accept(listener)
    worker.finish_request(connection, done)
    assert not worker._is_busy
    assert listens(worker, listener)


def test_a_worker_with_a_free_thread_takes_a_connection_at_once(
    worker: SharingWorker, listener: socket.socket
) -> None:
    connection = worker.pending_conns.pop()
    worker.poller.unregister(connection.sock)
    connection.close()

    worker.accept(listener)

    assert worker.nr_conns == THREADS_COUNT + 1
    assert listens(worker, listener)
