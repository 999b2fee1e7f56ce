"""Redis's clock, known without asking: every reply of the script tells it anew."""

import time
from collections.abc import Callable

from redis import Redis, RedisError

_MILLION = 1_000_000
_ASK_AGAIN_US = 1 * _MILLION


def monotonic_us() -> int:
    """Microseconds that never step; their beginning means nothing."""
    return time.monotonic_ns() // 1_000


def system_us() -> int:
    """Microseconds since 1970 by this machine's clock."""
    return time.time_ns() // 1_000


class LedgerClock:
    """The clock that stamps charges, in microseconds since 1970, right but for a round trip.

    It runs on between replies by the monotonic clock, so a wrong or stepping system clock does not
    matter. Before the first reply it asks Redis; if that fails it tells the system's time, and asks
    again a second later at the earliest, so that nobody waits for that more than once.
    Nodes of a cluster have clocks of their own, and this one follows whichever replied last: it
    guesses a billing period, which the script judges, and tells instants while Redis is ill.
    """

    def __init__(self, client: Redis, monotonic_us: Callable[[], int] = monotonic_us) -> None:
        self._client = client
        self._monotonic_us = monotonic_us
        self._offset_us: int | None = None
        self._ask_at_us = monotonic_us()

    def learn(self, instant_us: int) -> None:
        """Take over the instant of a reply that has just arrived."""
        self._offset_us = instant_us - self._monotonic_us()

    def now_us(self) -> int:
        """The present on Redis's clock."""
        if self._offset_us is None and self._monotonic_us() >= self._ask_at_us and not self.ask():
            self._ask_at_us = self._monotonic_us() + _ASK_AGAIN_US
        if self._offset_us is None:
            return system_us()
        return self._monotonic_us() + self._offset_us

    def ask(self) -> bool:
        """Learn Redis's time from Redis itself; False, and nothing changes, if it does not answer.

        For who makes no calls whose replies would tell.
        """
        try:
            seconds, microseconds = self._client.time()
        except RedisError:
            return False
        self.learn(seconds * _MILLION + microseconds)
        return True
