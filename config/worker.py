"""gunicorn's threaded worker, but for who takes a new connection."""

import socket
import time
from concurrent.futures import Future
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

# Enough for another worker to be woken, and little beside what waits in front of busy threads.
_LEFT_S = 0.003


class SharingWorker(ThreadWorker):
    """Leaves a new connection to other workers for a moment while all its threads are busy.

    A connection stays with the worker that took it. gunicorn's own takes whatever comes, also all
    that a client opens at once, and then works alone for as long as they are kept.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._requests_count = 0
        self._has_left = False
        self._back_at_s = 0.0

    def accept(self, listener: socket.socket) -> None:
        """Take the next connection, if need be once nobody else wanted it."""
        self._has_left = not self._has_left and self._requests_count >= self.cfg.threads
        if self._has_left:
            self._back_at_s = time.monotonic() + _LEFT_S
            super().set_accept_enabled(False)
        else:
            super().accept(listener)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - it is gunicorn's
        """What the loop asks for, each time round."""
        super().set_accept_enabled(enabled and time.monotonic() >= self._back_at_s)

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a request to a thread."""
        self._requests_count += 1
        super().enqueue_req(conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Take the connection back from its thread."""
        self._requests_count -= 1
        super().finish_request(conn, fs)
