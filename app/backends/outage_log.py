"""Log why a store does not answer a probe: once for each reason, then each minute that it lasts."""

import time
from collections.abc import Callable
from threading import Lock

import structlog

from app.backends import OUTAGES, MongodbResting, as_outages, reason_of
from app.backends.redis_clients import RedisResting

AGAIN_AFTER_S = 60.0
_log = structlog.get_logger("turnledger.stores")


class OutageLog:
    """Safe between threads; one for a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        # By store: the reason of the last line, and when it was written.
        self._written: dict[str, tuple[str, float]] = {}

    def watching(self, store: str, probe: Callable[[], object]) -> Callable[[], None]:
        """Return `probe` with a line for its failures; it raises none but outages."""

        def watched() -> None:
            try:
                with as_outages():
                    probe()
            except (MongodbResting, RedisResting):
                raise  # the breaker has written its own line
            except OUTAGES as error:
                self._note(store, error)
                raise
            with self._lock:
                self._written.pop(store, None)

        return watched

    def _note(self, store: str, error: Exception) -> None:
        reason, now_s = reason_of(error), self._clock()
        with self._lock:
            last, at_s = self._written.get(store, ("", 0.0))
            if reason == last and now_s - at_s < AGAIN_AFTER_S:
                return
            self._written[store] = reason, now_s
        _log.warning("probe_failed", store=store, error=type(error).__name__, reason=reason)
