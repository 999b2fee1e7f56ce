"""Compare the clocks of this machine, of Redis and of MongoDB."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from app.backends.backend import Backend
from app.backends.outages import OUTAGES, as_outages
from app.doctor.findings import Finding, State

LOOK_S, BAD_S = 1.0, 30.0
_STEP = "synchronize it by NTP (chrony)"


def now_s() -> float:
    """Return seconds since 1970 by this machine's clock."""
    return time.time()


class ClockCheck:
    """Reads each clock once. Its error is at most half of the time that the answer took."""

    def __init__(self, backend: Backend, now: Callable[[], float] = now_s) -> None:
        self._now = now
        self._clocks: Mapping[str, Callable[[], float]] = {
            "Redis": lambda: _redis_s(backend),
            "MongoDB": lambda: _mongodb_s(backend),
        }

    def check(self) -> Iterator[Finding]:
        """Yield a finding for each store that answers."""
        for store, read in self._clocks.items():
            try:
                with as_outages():
                    yield _finding(store, self._ahead_s(read))
            except OUTAGES:
                continue

    def _ahead_s(self, read: Callable[[], float]) -> float:
        """Return how far a clock is ahead of this machine's, 0 within the error."""
        before_s = self._now()
        theirs_s = read()
        after_s = self._now()
        if before_s <= theirs_s <= after_s:
            return 0.0
        return theirs_s - (after_s if theirs_s > after_s else before_s)


def _finding(store: str, ahead_s: float) -> Finding:
    distance_s = abs(ahead_s)
    if distance_s < LOOK_S:
        return Finding("clocks", State.OK, f"{store} and this machine agree within a second")
    state = State.BAD if distance_s >= BAD_S else State.LOOK
    side = "ahead of" if ahead_s > 0 else "behind"
    text = f"the clock of {store} is {distance_s:,.1f} s {side} this machine's"
    return Finding("clocks", state, text, f"find the wrong one and {_STEP}")


def _redis_s(backend: Backend) -> float:
    seconds, microseconds = backend.redis.time()
    return int(seconds) + int(microseconds) / 1_000_000


def _mongodb_s(backend: Backend) -> float:
    local: datetime = backend.database.command("hello")["localTime"]
    # MongoDB cuts to milliseconds.
    return local.astimezone(UTC).timestamp() + 0.0005
