"""gunicorn's threaded worker, but for how a connection is closed: nobody is held up by it."""

import socket
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

# As long and as much as gunicorn hears.
LINGER_S = 2.0
_LINGER_BYTES = 65_536
# The rest of a body that nobody wanted is here by then, or its connection is not kept.
_REST_WITHIN_S = 0.1


@dataclass(slots=True, eq=False)  # each is itself: they are looked for in a line
class _Leaver:
    """A connection that is to be closed: by when at the latest, and what may still be sent."""

    conn: TConn
    until_s: float
    left_bytes: int = _LINGER_BYTES


class LingeringWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Waits for clients to hang up, all of them at once.

    If their connections were closed at once those that still send might lose their answers.
    gunicorn waits for each by itself, two seconds in the thread of the loop, so that everybody
    waits; and for a refused body five more in a thread of its pool.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._leavers: deque[_Leaver] = deque()

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Take the connection back from its thread; see it off unless it is kept."""
        if not fs.cancelled() and fs.exception() is None and fs.result() is False:
            self._see_off(conn)
        else:
            super().finish_request(conn, fs)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Serve the loop once, and close what has lingered long enough."""
        super().wait_for_and_dispatch_events(timeout)
        while self._leavers and self._leavers[0].until_s <= time.monotonic():
            self._end(self._leavers[0])

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:  # noqa: FBT001 - gunicorn's
        deadline_s = time.monotonic() + _REST_WITHIN_S
        return keepalive and bool(conn.parser.finish_body(deadline=deadline_s))

    def _see_off(self, conn: TConn) -> None:
        leaver = _Leaver(conn, time.monotonic() + LINGER_S)
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)  # noqa: FBT003 - it takes no keyword
            self.poller.register(conn.sock, EVENT_READ, partial(self._hear_out, leaver))
        except (OSError, ValueError):  # it has gone, or its thread has closed it
            self._close(conn)
        else:
            self._leavers.append(leaver)

    def _hear_out(self, leaver: _Leaver, client: socket.socket) -> None:
        try:
            heard_bytes = len(client.recv(leaver.left_bytes))
        except BlockingIOError:
            return
        except OSError:
            heard_bytes = 0
        leaver.left_bytes -= heard_bytes
        if not heard_bytes or not leaver.left_bytes:
            self._end(leaver)

    def _end(self, leaver: _Leaver) -> None:
        self._leavers.remove(leaver)
        self.poller.unregister(leaver.conn.sock)
        self._close(leaver.conn)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()
