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
        """Return the current time on Redis's clock."""
        if self._offset_us is None:
            self._ask_now_and_then()
        if self._offset_us is None:
            return system_us()
        return self._monotonic_us() + self._offset_us

    def fresh_now_us(self) -> int:
        """Return the time that Redis has now: its clock may have stepped since its last reply.

        While Redis does not answer it is `now_us`.
        """
        asked_us = self._ask_now_and_then()
        return self.now_us() if asked_us is None else asked_us

    def ask(self) -> bool:
        """Learn Redis's time from Redis itself; False, and nothing changes, if it does not answer.

        For who makes no calls whose replies would tell.
        """
        return self._ask() is not None

    def _ask_now_and_then(self) -> int | None:
        """Ask, but not again within a second while Redis does not answer."""
        if self._monotonic_us() < self._ask_at_us:
            return None
        asked_us = self._ask()
        if asked_us is None:
            self._ask_at_us = self._monotonic_us() + _ASK_AGAIN_US
        return asked_us

    def _ask(self) -> int | None:
        try:
            seconds, microseconds = self._client.time()
        except RedisError:
            return None
        asked_us = int(seconds) * _MILLION + int(microseconds)
        self.learn(asked_us)
        return asked_us


class RequestClock:
    """Judges any number of instants by the current time, for one request.

    Redis's clock may have stepped since its last reply. So Redis is asked before the first refusal,
    once: that is about a hundredth of its work for the charge that a refused request pays.
    """

    def __init__(self, clock: LedgerClock) -> None:
        self._clock = clock
        self._now_us = clock.now_us()
        self._is_fresh = False

    def is_near(self, instant_ms: int, *, oldest_ms: int, ahead_ms: int) -> bool:
        """Return True if the instant is at most `oldest_ms` ago and at most `ahead_ms` ahead."""

        def is_near() -> bool:
            now_ms = self._now_us // 1_000
            return now_ms - oldest_ms <= instant_ms <= now_ms + ahead_ms

        if is_near():
            return True
        if self._is_fresh:
            return False
        self._now_us, self._is_fresh = self._clock.fresh_now_us(), True
        return is_near()
