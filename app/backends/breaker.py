"""Stops asking a store that is ill, so that its illness costs a request nothing.

A breaker belongs to one store in one process. After `FAILURES_COUNT` failures within `WITHIN_S` a
thread of its own probes the store, and only if that fails too does it open: a store is not ill
because somebody asks too much of it. While it is open calls fail at once and the thread probes once
a second, until a probe succeeds. No request ever pays for a probe. The pattern: M. Nygard, Release
It!, chapter 5.
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
# Of workers that live; `app/serving/run_folder.py` deletes the values of the others.
GIVEN_UP = Gauge(
    "turnledger_store_given_up",
    "Whether a worker's breaker leaves a store in peace; absent until one of its own has opened.",
    ["store"],
    multiprocess_mode="liveall",
)


def in_background(work: Callable[[], None]) -> None:
    """Run `work` in a thread that keeps no process alive."""
    Thread(target=work, name="breaker", daemon=True).start()


class Breaker:
    """Safe between threads. Its thread starts with the failures, never before a fork.

    `probe` raises while the store is ill and is bounded by itself. `resting` is the error that
    `require_closed` raises: one that everybody takes for an outage of that store.
    """

    def __init__(
        self,
        store: str,
        probe: Callable[[], object],
        resting: type[Exception],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
        start: Callable[[Callable[[], None]], object] = in_background,
    ) -> None:
        self.is_open = False
        self._store = store
        self._probe = probe
        self._resting = resting
        self._clock = clock
        self._pause = pause
        self._start = start
        self._lock = Lock()
        self._is_watched = False
        self._failed_at_s: deque[float] = deque(maxlen=FAILURES_COUNT)

    def require_closed(self) -> None:
        """Raise `resting` while open; otherwise costs one look at an attribute."""
        if self.is_open:
            raise self._resting(f"{self._store} is ill and is left in peace until a probe succeeds")

    def note_failure(self) -> None:
        """Count a call that failed as if the store were ill; those while it is watched do not."""
        with self._lock:
            if self._is_watched or not self._is_last_straw(self._clock()):
                return
            self._failed_at_s.clear()
            self._is_watched = True
        try:
            self._start(self._watch)
        except RuntimeError:  # no thread to be had: then nobody could ever close it
            self._is_watched = False

    def _is_last_straw(self, now_s: float) -> bool:
        self._failed_at_s.append(now_s)
        is_full = len(self._failed_at_s) == FAILURES_COUNT
        return is_full and now_s - self._failed_at_s[0] <= WITHIN_S

    def _watch(self) -> None:
        try:
            if (error := self._illness()) is not None:
                self.is_open = True
                words = {"error": type(error).__name__, "reason": reason_of(error)}
                self._tell(_log.warning, "store_given_up", **words)
                while self.is_open:
                    self._pause(PROBE_EVERY_S)
                    self.is_open = self._illness() is not None
                self._tell(_log.info, "store_is_back")
        finally:  # whatever ends the thread: without it nobody would ever close the breaker
            self.is_open = self._is_watched = False

    def _tell(self, log: Callable[..., object], event: str, **more: str) -> None:
        with suppress(Exception):  # a full disk, or no file to be had: watching goes on
            log(event, store=self._store, pid=os.getpid(), **more)
            GIVEN_UP.labels(self._store).set(self.is_open)

    def _illness(self) -> Exception | None:
        """Return the error by which the store shows that it is unavailable, if it is."""
        try:
            self._probe()
        except Exception as error:  # whatever it is, the store has not proved that it is well
            return error
        return None
