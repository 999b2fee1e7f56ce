"""The lingering worker, but for who takes a new connection and when a thread does."""

import socket
import time
from concurrent.futures import Future
from functools import partial
from itertools import takewhile
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import (
    DEFAULT_WORKER_DATA_TIMEOUT,
    STOP_KEEPALIVE_LINGER,
    TConn,
)

from config.lingering import LingeringWorker

# Enough for another worker to be woken, and little beside what waits in front of busy threads.
ACCEPT_DELAY_S = 0.003
# Who opens many connections at once says something on them within this time, or has no haste.
NEWCOMER_S = 0.05


class SharingWorker(LingeringWorker):
    """Leaves a new connection to other workers for a moment while all its threads are busy.

    A connection stays with the worker that took it. gunicorn's own takes whatever comes, also all
    that a client opens at once, and then works alone for as long as they are kept. It also has a
    thread wait five seconds for each new client that says nothing: here none does.
    """

    is_ending = False  # set as soon as the worker is told to end: it takes whatever comes then

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._patience_s = DEFAULT_WORKER_DATA_TIMEOUT + self.cfg.keepalive
        self._requests_count = 0
        self._has_delayed = False
        self._accepts_at_s = 0.0

    @property
    def _is_busy(self) -> bool:
        newcomers = takewhile(self._is_newcomer, reversed(self.pending_conns))
        return self._requests_count + sum(1 for _ in newcomers) >= int(self.cfg.threads)

    def _is_newcomer(self, conn: TConn) -> bool:
        return bool(conn.timeout - self._patience_s + NEWCOMER_S > time.monotonic())

    def accept(self, listener: socket.socket) -> None:
        """Take the next connection; if busy, only once nobody else wanted it."""
        has_others = self.cfg.workers > 1 and not self.is_ending
        self._has_delayed = has_others and not self._has_delayed and self._is_busy
        if self._has_delayed:
            self._accepts_at_s = time.monotonic() + ACCEPT_DELAY_S
            super().set_accept_enabled(False)
        else:
            super().accept(listener)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - it is gunicorn's
        """Accept, as the loop asks each round, only once the delay is over.

        Its last word is to stop: then whoever still comes is refused, and can go elsewhere at once.
        """
        is_last_word = not (enabled or self.alive)
        if is_last_word:
            self._accept_all()
        super().set_accept_enabled(enabled and time.monotonic() >= self._accepts_at_s)
        if is_last_word:
            for listener in self.sockets:
                listener.close()
            self.sockets.clear()  # a second last word has nothing to do

    def _accept_all(self) -> None:
        # What was left to others would be reset when the listening sockets close.
        for listener in self.sockets:
            before = -1
            while before < self.nr_conns:
                before = self.nr_conns
                super().accept(listener)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait no longer than the delay."""
        delay_s = self._accepts_at_s - time.monotonic()
        super().wait_for_and_dispatch_events(min(timeout, delay_s) if delay_s > 0 else timeout)
        if self._accepting:  # what was delayed has been offered again, or somebody else has it
            self._has_delayed = False

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a request to a thread; a new connection has none before it says something."""
        if not (conn.initialized or conn.data_ready):
            self._await_first_bytes(conn)
            return
        self._requests_count += 1
        super().enqueue_req(conn)

    def _await_first_bytes(self, conn: TConn) -> None:
        # As gunicorn does after those five seconds, and for as long in all.
        conn.sock.setblocking(False)  # noqa: FBT003 - it takes no keyword
        patience_s = self._patience_s if self.alive else STOP_KEEPALIVE_LINGER
        conn.timeout = time.monotonic() + patience_s
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))
        self.pending_conns.append(conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Take the connection back from its thread."""
        self._requests_count -= 1
        if self._requests_count < self.cfg.threads:
            self._accepts_at_s = 0.0
        super().finish_request(conn, fs)
