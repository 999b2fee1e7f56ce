"""A circuit breaker: after several calls without an answer, calls end at once for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import RLock

from ..errors import CircuitOpenError

FAILURES_COUNT = 5
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0


class Breaker:
    """Opens after 5 failures in a row, for 5 s, doubling to 60 s; one call may then try again."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        # A stream that nobody holds ends in the garbage collector, perhaps inside of this lock.
        self._lock = RLock()
        self._failures_count = 0
        self._pause_s = FIRST_PAUSE_S
        self._open_until_s = 0.0

    def require_closed(self) -> None:
        """Raise CircuitOpenError while the breaker is open; let one call through at its end."""
        with self._lock:
            if self._failures_count < FAILURES_COUNT:
                return
            now_s = self._monotonic_s()
            if now_s < self._open_until_s:
                raise CircuitOpenError(
                    "The ledger did not answer several times, so it is not asked just now.",
                    retry_after_s=self._open_until_s - now_s,
                )
            # Only this call tries, and another failure pauses longer. Failures of calls that ran at
            # the same time do not.
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            self._open_until_s = now_s + self._pause_s

    def answered(self) -> None:
        """Close the breaker: the ledger has answered."""
        with self._lock:
            self._failures_count = 0
            self._pause_s = FIRST_PAUSE_S

    def unanswered(self) -> None:
        """Count a call without an answer; open the breaker at the fifth in a row."""
        with self._lock:
            self._failures_count += 1
            if self._failures_count < FAILURES_COUNT:
                return
            self._open_until_s = self._monotonic_s() + self._pause_s

    def renew_lock(self) -> None:
        """Replace the lock in a forked child: another thread of the parent may have held it."""
        self._lock = RLock()
