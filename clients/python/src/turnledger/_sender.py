"""Send the turns of the outbox: in a thread of this process, or inline."""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections.abc import Callable
from threading import Condition, Event, Lock, Thread

from ._core.answers import json_of
from ._core.breaker import Breaker
from ._core.values import MAX_BATCH_COUNT, Exchange, Request
from ._delivery import Delivery
from ._outbox import Outbox
from .errors import CircuitOpenError, OutboxError, TurnledgerError

REQUEST_TIMEOUT_S = 10.0
# Turns that end within this time share a request.
_LINGER_S = 0.05
_FAULT_PAUSE_S = 1.0
_TAKE_OVER_EVERY_S = 15.0
_log = logging.getLogger("turnledger")
_all: weakref.WeakSet[Sender] = weakref.WeakSet()


class Sender:
    """Delivers the turns that this process owns, in batches, for as long as it takes.

    Nothing starts before `wake`. A forked child starts its own thread.
    """

    def __init__(
        self,
        outbox: Outbox,
        exchange: Exchange,
        delivery: Delivery,
        *,
        breaker: Breaker,
        now_ms: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._exchange = exchange
        self._delivery = delivery
        self._breaker = breaker
        self._now_ms = now_ms
        self._changed = Condition()
        # One thread sends at a time: the background thread, or one that flushes inline.
        self._sending = Lock()
        self._closing = Event()
        self._thread: Thread | None = None
        self._is_awake = False
        self._pause_until_s = 0.0
        self._take_over_at_s = 0.0
        _all.add(self)

    def wake(self) -> None:
        """Send what waits, soon, in the background; start the thread if there is none."""
        if self._is_awake and self._thread is not None:
            return
        with self._changed:
            self._is_awake = True
            if self._thread is None:
                self._closing.clear()
                self._thread = Thread(target=self._run, name="turnledger-sender", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout_s: float | None, *, inline: bool = False) -> bool:
        """Wait until nothing waits to be sent; return False after `timeout_s` seconds.

        With `inline` this thread sends, and no other is started.
        """
        deadline_s = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        while self._outbox.waiting_count():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            pause_s: float | None = _LINGER_S
            if inline:
                pause_s = self.send_once(min(left_s, REQUEST_TIMEOUT_S))
            else:
                self.wake()
            with self._changed:
                self._changed.wait(min(_LINGER_S if pause_s is None else pause_s, left_s))
        return True

    def close(self, timeout_s: float) -> bool:
        """Send for `timeout_s` seconds at most, in the thread that is there; then end it."""
        thread = self._thread
        if thread is None:
            return not self._outbox.waiting_count()
        is_empty = self.flush(timeout_s)
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        thread.join(1.0)
        self._thread = None
        return is_empty

    def send_once(self, timeout_s: float) -> float | None:
        """Send one round of what is due.

        Returns the seconds until another round is worth a try, None if nothing is due.
        """
        if not self._sending.acquire(timeout=timeout_s):
            return _LINGER_S
        try:
            return self._round(timeout_s)
        finally:
            self._sending.release()

    def renew_after_fork(self) -> None:
        """Forget the parent's thread; take new locks."""
        self._changed, self._sending, self._closing = Condition(), Lock(), Event()
        self._thread, self._is_awake, self._take_over_at_s = None, False, 0.0
        self._breaker.renew_lock()

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._changed:
                if not self._is_awake:
                    self._changed.wait(self._idle_s())
                self._is_awake = False
            self._closing.wait(_LINGER_S)
            pause_s: float | None = 0.0
            while pause_s is not None and not self._closing.wait(pause_s):
                pause_s = self._try()
            with self._changed:
                self._changed.notify_all()

    def _try(self) -> float | None:
        try:
            return self.send_once(REQUEST_TIMEOUT_S)
        except OutboxError:
            self._delivery.log_seldom("The outbox cannot be read; turns wait in it.")
        except Exception:
            _log.exception("The sender failed; it tries again.")
        return _FAULT_PAUSE_S

    def _idle_s(self) -> float:
        """Return the seconds to wait: until the next turn is due, or another process may end."""
        try:
            due_ms = self._outbox.next_due_ms()
        except OutboxError:
            return _FAULT_PAUSE_S
        due_s = float("inf") if due_ms is None else (due_ms - self._now_ms()) / 1_000
        return max(0.0, min(due_s, _TAKE_OVER_EVERY_S))

    def _round(self, timeout_s: float) -> float | None:
        """Send each kind of turn once; return the seconds to wait, None if nothing is due."""
        wait_s = self._pause_until_s - time.monotonic()
        if wait_s > 0:
            return wait_s
        self._take_over()
        rows = self._outbox.due(MAX_BATCH_COUNT)
        if not rows:
            return None
        try:
            self._breaker.require_closed()
        except CircuitOpenError as error:
            return error.retry_after_s or _LINGER_S
        pause = self._delivery.send(rows, timeout_s)
        if pause is not None:
            self._pause_until_s = time.monotonic() + pause.seconds
            return pause.seconds
        self._learn_account(timeout_s)
        self._outbox.checkpoint()
        return 0.0

    def _take_over(self) -> None:
        """Take the turns of processes that have ended, now and then."""
        now_s = time.monotonic()
        if now_s >= self._take_over_at_s and self._outbox.is_durable:
            self._take_over_at_s = now_s + _TAKE_OVER_EVERY_S
            self._outbox.take_over()

    def _learn_account(self, timeout_s: float) -> None:
        """Learn whose key this is: after a rotation the next key may send its turns."""
        if not self._outbox.is_durable or self._outbox.knows_account():
            return
        try:
            me = json_of(self._exchange(Request("GET", "/v1/me"), timeout_s))
            self._outbox.learn_account(me["organization"]["id"], me["environment"])
        except (TurnledgerError, KeyError, TypeError):
            return  # the turns of this very key are sent all the same
        self._take_over_at_s = 0.0


def _renew_after_fork() -> None:
    for sender in list(_all):
        sender.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)

__all__ = ["Sender"]
