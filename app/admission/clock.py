"""Redis's clock, followed without extra calls: every reply of the script contains its time."""

import time
from collections.abc import Callable

from redis import Redis, RedisError

_MILLION = 1_000_000
_ASK_AGAIN_US = 1 * _MILLION


def monotonic_us() -> int:
    """Return microseconds since an arbitrary instant, by a clock that never steps."""
    return time.monotonic_ns() // 1_000


def system_us() -> int:
    """Return microseconds since 1970 by this machine's clock."""
    return time.time_ns() // 1_000


class LedgerClock:
    """The clock that dates charges, in microseconds since 1970, exact but for a round trip.

    Between replies it follows the monotonic clock, so a wrong or stepping system clock does not
    matter. Before the first reply it asks Redis. If that fails it uses the system's time, and asks
    again after a second at the earliest, so that requests wait for that once.

    Nodes of a cluster have clocks of their own, and this one follows the node that replied last. It
    guesses a billing period, which the script checks, and dates turns while Redis is unavailable.
    """

    def __init__(self, client: Redis, monotonic_us: Callable[[], int] = monotonic_us) -> None:
        self._client = client
        self._monotonic_us = monotonic_us
        self._offset_us: int | None = None
        self._ask_at_us = monotonic_us()

    def learn(self, instant_us: int) -> None:
        """Set the clock to the instant of a reply that has just arrived."""
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
        """Ask Redis for its time; return False, and change nothing, if it does not answer.

        For processes that serve no requests: the others follow Redis's clock by the replies to
        their script calls. The worker asks at each pass, since days, periods and keys end by it.
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
    """Compares any number of instants with the current time, for one request.

    Redis's clock may have stepped since its last reply. So Redis is asked once, before the first
    refusal: that is about a hundredth of its work for the charge of a refused request.
    """

    def __init__(self, clock: LedgerClock) -> None:
        self._clock = clock
        self._now_us = clock.now_us()
        self._is_fresh = False

    def is_near(self, instant_ms: int, *, oldest_ms: int, ahead_ms: int) -> bool:
        """Return True if the instant is at most `oldest_ms` ago and at most `ahead_ms` ahead."""
        if -oldest_ms <= instant_ms - self._now_us // 1_000 <= ahead_ms:
            return True
        if self._is_fresh:
            return False
        self._now_us, self._is_fresh = self._clock.fresh_now_us(), True
        return -oldest_ms <= instant_ms - self._now_us // 1_000 <= ahead_ms
