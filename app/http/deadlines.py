"""How long a request may take: with the stores, and with its client's body.

The time for the stores is one budget for all operations of a request together. It stands still
while the client sends its body, whose deadline counts from the beginning of the request. How long a
client takes to send its headers or to fetch its answer is not bounded.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from threading import Lock, Thread

from flask import Flask, g, request

from app.http.current import current_notes
from app.http.problems import Problem
from app.http.request_id import elapsed_ms

LOOK_EVERY_S = 0.5
_LEAST_S = 0.001

Bounded = Callable[[float], AbstractContextManager[object]]


class StoreTime:
    """What is left of a request's budget, in force from `start` until `stop`, again and again."""

    def __init__(self, bounded: Bounded, budget_s: float) -> None:
        self._bounded = bounded
        self._left_s = budget_s
        self._since_s = 0.0
        self._in_force: AbstractContextManager[object] | None = None

    def start(self) -> None:
        """Bound the operations of this thread from now on by what is left."""
        self._since_s = time.monotonic()
        self._in_force = self._bounded(max(self._left_s, _LEAST_S))
        self._in_force.__enter__()

    def stop(self) -> None:
        """Let the clock stand still; harmless if it does."""
        if self._in_force is not None:
            self._in_force.__exit__(None, None, None)
            self._left_s -= time.monotonic() - self._since_s
            self._in_force = None


class SlowBodies:
    """Ends the reading from clients that are too slow.

    A time-out of the socket would start anew with each byte. One thread looks at all sockets that
    are read from; where the deadline is past it closes the reading side, and the reader goes on
    with what has come.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._due_s: dict[socket.socket, float] = {}
        self._has_thread = False

    @contextmanager
    def bounded(self, reader: socket.socket, left_s: float) -> Iterator[None]:
        """Bound all reading from `reader` inside the block."""
        with self._lock:
            if not self._has_thread:
                self._start()
            self._due_s[reader] = time.monotonic() + left_s
        try:
            yield
        finally:
            with self._lock:
                self._due_s.pop(reader, None)

    def _start(self) -> None:
        try:
            Thread(target=self._watch, name="slow-bodies", daemon=True).start()
        except RuntimeError:  # no thread to be had
            raise Problem.unavailable() from None
        self._has_thread = True

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._lock:
                now_s = time.monotonic()
                for reader in [each for each, due_s in self._due_s.items() if due_s <= now_s]:
                    del self._due_s[reader]
                    with suppress(OSError):  # it is closed already
                        reader.shutdown(socket.SHUT_RD)


def init_app(app: Flask, bounded: Bounded, store_budget_s: float, deadline_s: float) -> None:
    """Bound stores and bodies of all requests; `bounded` bounds the operations of its block."""
    slow_bodies = SlowBodies()

    def begin() -> None:
        notes = current_notes()
        notes.deadline_s, notes.slow_bodies = deadline_s, slow_bodies
        notes.store_time = StoreTime(bounded, store_budget_s)
        notes.store_time.start()

    def end(_error: BaseException | None) -> None:
        notes = current_notes()
        if "store_time" in notes:
            notes.store_time.stop()

    app.before_request(begin)
    app.teardown_request(end)


@contextmanager
def waiting_for_client() -> Iterator[None]:
    """Let the stores' clock stand still; 408 if the request's deadline is past afterwards.

    gunicorn hands its socket over, so that a body can be bounded; elsewhere it is not.
    """
    if "store_time" not in g:  # outside of a whole application nothing is bounded
        yield
        return
    g.store_time.stop()
    try:
        with _bounded_reading():
            yield
    except Problem:
        _require_in_time()  # a body that was cut off looks as if it had not arrived whole
        raise
    finally:
        g.store_time.start()
    _require_in_time()


def _require_in_time() -> None:
    if _left_s() <= 0:
        raise Problem("request_timeout", "The body did not arrive in time. Send it again.")


def _bounded_reading() -> AbstractContextManager[None]:
    reader = request.environ.get("gunicorn.socket")
    slow_bodies: SlowBodies = g.slow_bodies
    # The reading side of a TLS socket cannot be closed alone.
    if type(reader) is not socket.socket:
        return nullcontext()
    return slow_bodies.bounded(reader, _left_s())


def _left_s() -> float:
    return float(g.deadline_s) - elapsed_ms() / 1_000
