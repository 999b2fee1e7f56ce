"""Log why a store fails its probe: at once for each new reason, then once a minute."""

import time
from collections.abc import Callable
from threading import Lock

import structlog

from app.backends.outages import OUTAGES, MongodbCircuitOpen, RedisCircuitOpen, as_outages
from app.backends.reasons import reason_of

REPEAT_AFTER_S = 60.0
_log = structlog.get_logger("turnledger.stores")


class OutageLog:
    """The reasons last logged in this process, by store; safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        # By store: the reason of the last line, and when it was written.
        self._written: dict[str, tuple[str, float]] = {}

    def watching(self, store: str, probe: Callable[[], object]) -> Callable[[], None]:
        """Return `probe` with a log line for its failures, all of which are then `OUTAGES`."""

        def watched() -> None:
            try:
                with as_outages():
                    probe()
            except (MongodbCircuitOpen, RedisCircuitOpen):
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
            if reason == last and now_s - at_s < REPEAT_AFTER_S:
                return
            self._written[store] = reason, now_s
        _log.warning("probe_failed", store=store, error=type(error).__name__, reason=reason)
