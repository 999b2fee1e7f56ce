"""Stop sending to an unavailable store, so that its outage costs a request nothing.

A breaker belongs to one store in one process:

* Closed: every call is sent. `FAILURES_COUNT` failures within `WITHIN_S` start a thread that probes
  the store. The breaker opens only if that probe fails too: clients that ask too much make calls
  fail, but do not make a store unavailable.
* Open: calls fail at once. The thread probes once a second and closes the breaker when a probe
  succeeds. No request pays for a probe.

The pattern: M. Nygard, Release It!, chapter 5.
"""

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread

import structlog
from prometheus_client import Gauge

from app.backends.reasons import reason_of

FAILURES_COUNT = 5
WITHIN_S = 10.0
PROBE_EVERY_S = 1.0

_log = structlog.get_logger("turnledger.stores")
# One series a worker; `app/serving/run_folder.py` deletes those of workers that have ended.
CIRCUIT_OPEN = Gauge(
    "turnledger_store_circuit_open",
    "State of this worker's circuit breaker: 1 open, 0 closed; absent until it first opens.",
    ["store"],
    multiprocess_mode="liveall",
)


def in_background(work: Callable[[], None]) -> None:
    """Run `work` in a thread that keeps no process alive."""
    Thread(target=work, name="breaker", daemon=True).start()


class Breaker:
    """A circuit breaker; safe between threads. Its thread starts after failures, never before.

    `probe` raises while the store is unavailable, and has a time-out of its own. `open_error` is
    what `require_closed` raises: a class that callers treat as an outage of that store.
    """

    def __init__(
        self,
        store: str,
        probe: Callable[[], object],
        open_error: type[Exception],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
        start: Callable[[Callable[[], None]], object] = in_background,
    ) -> None:
        self.is_open = False
        self._store = store
        self._probe = probe
        self._open_error = open_error
        self._clock = clock
        self._pause = pause
        self._start = start
        self._lock = Lock()
        self._is_probing = False
        self._failed_at_s: deque[float] = deque(maxlen=FAILURES_COUNT)

    def require_closed(self) -> None:
        """Raise `open_error` while open; otherwise the cost is one attribute."""
        if self.is_open:
            raise self._open_error(
                f"The circuit breaker of {self._store} is open until a probe succeeds."
            )

    def note_failure(self) -> None:
        """Count a call that failed because the store seems unavailable; not while it is probed."""
        with self._lock:
            if self._is_probing or not self._is_limit_reached(self._clock()):
                return
            self._failed_at_s.clear()
            self._is_probing = True
        try:
            self._start(self._probe_until_available)
        except RuntimeError:  # no thread can be started, so none could close the breaker
            self._is_probing = False

    def _is_limit_reached(self, now_s: float) -> bool:
        self._failed_at_s.append(now_s)
        is_full = len(self._failed_at_s) == FAILURES_COUNT
        return is_full and now_s - self._failed_at_s[0] <= WITHIN_S

    def _probe_until_available(self) -> None:
        try:
            if (error := self._probe_error()) is not None:
                self.is_open = True
                cause = {"error": type(error).__name__, "reason": reason_of(error)}
                self._report(_log.warning, "circuit_breaker_opened", **cause)
                while self.is_open:
                    self._pause(PROBE_EVERY_S)
                    self.is_open = self._probe_error() is not None
                self._report(_log.info, "circuit_breaker_closed")
        finally:  # whatever ends the thread: nothing else would ever close the breaker
            self.is_open = self._is_probing = False

    def _report(self, log: Callable[..., object], event: str, **more: str) -> None:
        with suppress(Exception):  # a full disk, or no file for the metric: probing continues
            log(event, store=self._store, pid=os.getpid(), **more)
            CIRCUIT_OPEN.labels(self._store).set(self.is_open)

    def _probe_error(self) -> Exception | None:
        """Return the error of a probe; None if it succeeded."""
        try:
            self._probe()
        except Exception as error:  # any error: the store has not proved that it is available
            return error
        return None
