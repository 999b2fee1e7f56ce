"""Count answers in memory, and add the counts to Redis in the background."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock

from prometheus_client import Counter as Metric

from app.backends.outages import OUTAGES, RedisCircuitOpen
from app.minutes.counts import MinuteCounts
from app.minutes.model import MINUTE_S
from app.minutes.storage import MinuteStorage
from app.observability.answer import Answer
from app.observability.answers import QUIET_ENDPOINTS
from app.observability.flusher import Flusher

MOST_WAITING = 10
LOST = Metric(
    "turnledger_minutes_lost_answers",
    "Answers that no minute counts, by the reason: outage (Redis was unavailable), waited (its "
    "circuit breaker was open for ten minutes) or error.",
    ["reason"],
)


class MinuteCounter:
    """Counts the answers of this process by minute. Safe between threads.

    `require_redis` raises while Redis's circuit breaker is open.
    """

    def __init__(
        self,
        storage: MinuteStorage,
        *,
        require_redis: Callable[[], None] = lambda: None,
        now_s: Callable[[], float] = time.time,
        make_flusher: Callable[[str, Callable[[], bool]], Flusher] = Flusher,
    ) -> None:
        self._storage = storage
        self._require_redis = require_redis
        self._now_s = now_s
        self._lock = Lock()
        self._by_minute: dict[int, MinuteCounts] = {}
        self._names_at_s, self._names = 0, set[str]()
        self._flusher = make_flusher("minutes", self.flush)

    def note(self, answer: Answer) -> None:
        """Count `answer`; health checks and pages of the console only show that we run."""
        at_s = int(self._now_s())
        at_s -= at_s % MINUTE_S
        with self._lock:
            counts = self._by_minute.get(at_s)
            if counts is None:
                counts = self._by_minute[at_s] = MinuteCounts(self._names_of(at_s))
            if answer.endpoint not in QUIET_ENDPOINTS and not answer.is_of_console:
                counts.add(answer)
        self._flusher.wake()

    def _names_of(self, at_s: int) -> set[str]:
        if at_s != self._names_at_s:
            self._names_at_s, self._names = at_s, set()
        return self._names

    def flush(self) -> bool:
        """Add what was counted to Redis; return True if it waits for the circuit breaker.

        What cannot be added is lost: some of it may have been.
        """
        try:
            self._require_redis()
        except RedisCircuitOpen:
            self._forget_old()
            return True
        with self._lock:
            counted, self._by_minute = self._by_minute, {}
        try:
            self._storage.add(counted)
        except Exception as error:
            is_outage = isinstance(error, OUTAGES)
            _count_lost("outage" if is_outage else "error", counted.values())
            if not is_outage:
                raise
        return False

    def _forget_old(self) -> None:
        with self._lock:
            old = sorted(self._by_minute)[:-MOST_WAITING]
            _count_lost("waited", [self._by_minute.pop(at_s) for at_s in old])


def _count_lost(reason: str, counts: Iterable[MinuteCounts]) -> None:
    with suppress(OSError, IndexError):  # no file for the metric
        LOST.labels(reason).inc(sum(sum(each.outcomes.values()) for each in counts))
