"""Send the outbox: in a background thread, or inline in the thread that ends a turn.

The thread starts at first use and is a daemon. After a fork the child starts its own, also at first
use. Rows that nobody sends stay in the outbox for the next process.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

from ._core.counters import Counters
from ._core.values import Exchange
from ._core.waking import Wake
from ._outbox import forks
from ._outbox.base import Store
from ._outbox.delivery import Breaker, Delivery
from ._outbox.requests import MOST_ROWS
from .errors import OutboxError
from .types import Refused

_log = logging.getLogger("turnledger")
_REQUEST_S = 10.0
# A waiting flush looks at the outbox at least so often.
_MOST_LOOK_S = 1.0
# Turns that end within this time share a request.
_GATHER_S = 0.1
_TAKE_OVER_EVERY_S = 30.0
# A clock that is set back by less only delays a row.
_JUMP_MS = 5_000


class Sender:
    """Send an outbox's rows until nothing waits; safe for threads and across forks."""

    def __init__(
        self,
        outbox: Store,
        exchange: Exchange,
        *,
        breaker: Breaker,
        on_refused: Callable[[Refused], None] | None,
        stats: Counters,
        mode: Literal["background", "inline"],
        inline_timeout_s: float,
        is_asking: Callable[[], bool] = lambda: False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._is_inline = mode == "inline"
        self._inline_timeout_s = inline_timeout_s
        self._is_asking = is_asking
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._make_delivery = partial(
            Delivery,
            outbox,
            exchange,
            breaker=breaker,
            on_refused=on_refused,
            stats=stats,
            now_ms=now_ms,
            monotonic=monotonic,
        )
        self._begin()
        forks.register(self)

    def _begin(self) -> None:
        self._delivery = self._make_delivery()
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._is_sending = False
        self._woken = Wake()
        self._hurried = Wake()
        self._stepped = threading.Condition()
        self._end_at: float | None = None
        # Searches for rows of dead processes that were asked for, and those that ended.
        self._asked, self._searched = 1, 0
        self._search_at = 0.0
        self._offset_ms = self._clock_offset_ms()

    def wake(self) -> None:
        """Send soon; inline, send now for `inline_timeout_s` at most.

        Inside of a request of this thread a turn waits for the next wake.
        """
        if self._is_inline:
            if not self._is_asking():
                self._send_until(self._monotonic() + self._inline_timeout_s)
            return
        if self._thread is None:
            self._start()
        if not self._woken.is_set():
            self._woken.set()

    def flush(self, timeout_s: float | None) -> bool:
        """Send now; return True once nothing waits, False at the time-out.

        Without a time-out it waits as long as the ledger answers, and no longer.
        """
        deadline = None if timeout_s is None else self._monotonic() + timeout_s
        self._delivery.pacing.hurry()
        self._asked += 1
        if self._is_inline:
            self._send_until(deadline, may_wait=True)
        else:
            self.wake()
            self._hurried.set()
            self._await_empty(deadline)
        return self._outbox.waiting() == 0

    def close(self, timeout_s: float) -> None:
        """Send for `timeout_s` at most, and end the thread; start none."""
        if self._is_inline and self._outbox.waiting():
            self._delivery.pacing.hurry()
            self._send_until(self._monotonic() + timeout_s, may_wait=True)
        thread = self._thread
        if thread is not None:
            self._end_at = self._monotonic() + timeout_s
            self._delivery.pacing.hurry()
            self._woken.set()
            self._hurried.set()
            thread.join(timeout_s)

    @property
    def obstacle(self) -> str | None:
        """Why nothing is sent, as a sentence; None if the last request was answered."""
        return self._delivery.obstacle

    def before_fork(self) -> None:
        """Let the thread go on: the child starts its own."""

    def after_fork_in_parent(self) -> None:
        """Change nothing."""

    def after_fork_in_child(self) -> None:
        """Begin without a thread; locks that other threads held are left behind."""
        self._begin()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._end_at = None
            thread = threading.Thread(target=self._run, name="turnledger-sender", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is exiting: the next process sends
                return
            self._thread = thread

    def _run(self) -> None:
        try:
            while not self._has_to_end():
                self._contained(self._housekeep)
                self._report_step()
                self._pause()
                self._woken.clear()
                self._hurried.clear()
                self._contained(self._drain)
                self._report_step()
        finally:
            self._thread = None
            self._report_step()

    def _report_step(self) -> None:
        """Let a waiting flush look at the outbox."""
        with self._stepped:
            self._stepped.notify_all()

    def _contained(self, action: Callable[[], None]) -> None:
        """Run; an error costs a wait, never the thread."""
        try:
            action()
        except OutboxError as error:
            self._delivery.pacing.unanswered()
            _log.error("The outbox cannot be sent", extra={"error": str(error)})
        except Exception:
            self._delivery.pacing.unanswered()
            _log.exception("The sender failed")

    def _has_to_end(self) -> bool:
        if self._end_at is None:
            return False
        left_s = self._end_at - self._monotonic()
        return left_s <= 0 or self._delivery.pacing.wait_s() > left_s or not self._is_due()

    def _pause(self) -> None:
        """Wait until something may be sent, or for the next search for dead processes."""
        longest_s = _TAKE_OVER_EVERY_S
        if self._end_at is not None:
            longest_s = max(0.0, self._end_at - self._monotonic())
        wait_s = self._delivery.pacing.wait_s()
        if wait_s:
            self._hurried.wait(min(wait_s, longest_s))
        elif not self._is_due():
            is_woken = self._woken.wait(min(self._until_due_s(), longest_s))
            if is_woken:
                self._hurried.wait(_GATHER_S)

    def _drain(self) -> None:
        """Send as long as full batches wait."""
        pacing = self._delivery.pacing
        while not pacing.wait_s() and self._delivery.step(self._request_s(self._end_at)):
            self._report_step()
            if self._outbox.waiting() < MOST_ROWS:
                break
        self._outbox.checkpoint()

    def _send_until(self, deadline: float | None, *, may_wait: bool = False) -> None:
        """Send in this thread; one thread sends at a time, and not inside of its own sending."""
        timeout_s = -1 if deadline is None else max(0.0, deadline - self._monotonic())
        if not self._lock.acquire(timeout=timeout_s):
            return
        is_inside, self._is_sending = self._is_sending, True
        try:
            if not is_inside:
                self._contained(lambda: self._send_inline(deadline, may_wait=may_wait))
        finally:
            self._is_sending = is_inside
            self._lock.release()

    def _send_inline(self, deadline: float | None, *, may_wait: bool) -> None:
        pacing = self._delivery.pacing
        self._housekeep()
        while deadline is None or self._monotonic() < deadline:
            wait_s = pacing.wait_s()
            if wait_s:
                is_short = deadline is None or self._monotonic() + wait_s < deadline
                if not may_wait or pacing.is_held or not is_short:
                    return
                self._hurried.wait(wait_s)
            elif not self._delivery.step(self._request_s(deadline)):
                break
        self._outbox.checkpoint()

    def _housekeep(self) -> None:
        """Take over rows of dead processes, and notice a clock that was set back."""
        offset_ms = self._clock_offset_ms()
        if offset_ms < self._offset_ms - _JUMP_MS:
            self._outbox.hasten()
        self._offset_ms = offset_ms
        now = self._monotonic()
        asked = self._asked
        if asked == self._searched and now < self._search_at:
            return
        self._outbox.take_over()
        if not self._delivery.pacing.wait_s() and self._delivery.identify(_REQUEST_S):
            self._outbox.take_over()
        self._search_at = now + _TAKE_OVER_EVERY_S
        self._searched = asked

    def _await_empty(self, deadline: float | None) -> None:
        with self._stepped:
            while self._thread is not None and self._has_work():
                left_s = _MOST_LOOK_S if deadline is None else deadline - self._monotonic()
                is_hopeless = deadline is None and self._delivery.pacing.is_held
                is_later = self._outbox.waiting() > 0 and self._until_due_s() > left_s
                if left_s <= 0 or is_hopeless or is_later:
                    return
                self._stepped.wait(min(left_s, _MOST_LOOK_S))

    def _has_work(self) -> bool:
        """Return True while rows wait, or may be found with dead processes."""
        return self._searched < self._asked or self._outbox.waiting() > 0

    def _is_due(self) -> bool:
        return self._outbox.waiting() > 0 and self._until_due_s() <= 0

    def _until_due_s(self) -> float:
        first_ms = self._outbox.first_due_ms()
        return _TAKE_OVER_EVERY_S if first_ms is None else (first_ms - self._now_ms()) / 1000

    def _request_s(self, deadline: float | None) -> float:
        if deadline is None:
            return _REQUEST_S
        return max(0.05, min(_REQUEST_S, deadline - self._monotonic()))

    def _clock_offset_ms(self) -> float:
        return self._now_ms() - self._monotonic() * 1000
