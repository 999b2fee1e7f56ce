"""Token buckets of this process alone, for when Redis cannot be asked.

Approximate, and said to be: each of a service's workers gives out its share of an organization's
rate, so that all of them together give out about that rate. The arithmetic is the script's: a
level is tokens x period, in whole numbers (`lua/bucket.lua`).
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from threading import Lock

from app.admission.clock import monotonic_us
from app.admission.decision import BucketState, Decision, Outcome
from app.admission.policy import BucketPolicy

BUCKETS_COUNT = 10_000


class LocalBuckets:
    """At most `BUCKETS_COUNT` buckets; the least recently used leave first, and come back full.

    `now_us` is the clock that decisions tell, `workers_count` the number of processes that share
    a rate. Safe between threads.
    """

    def __init__(
        self,
        workers_count: int,
        now_us: Callable[[], int],
        monotonic_us: Callable[[], int] = monotonic_us,
    ) -> None:
        self._workers_count = workers_count
        self._now_us = now_us
        self._monotonic_us = monotonic_us
        self._lock = Lock()
        self._levels: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, key: str, bucket: BucketPolicy, tokens: int) -> Decision:
        """Take `tokens` from this process's share of `bucket`; 0 only looks.

        The decision is DEGRADED, or RATE_LIMITED with the wait after which this process admits. It
        tells the whole rate, and what is left of the share.
        """
        share = _share(bucket, self._workers_count)
        full, wanted = share.burst * share.period_us, tokens * share.period_us
        with self._lock:
            at_us = self._monotonic_us()
            level = self._level(key, share, at_us)
            is_enough = level >= wanted
            left = level - wanted if is_enough else level
            self._keep(key, left, at_us)
        now_us = self._now_us()
        state = BucketState(
            rate=bucket.rate,
            remaining=left // share.period_us,
            reset_at_us=now_us + _time_us(full - left, share),
            retry_after_us=0 if is_enough else _time_us(wanted - level, share),
        )
        outcome = Outcome.DEGRADED if is_enough else Outcome.RATE_LIMITED
        return Decision(outcome, state, now_us, is_local=True)

    def _level(self, key: str, share: BucketPolicy, at_us: int) -> int:
        full = share.burst * share.period_us
        level, since_us = self._levels.get(key, (full, at_us))
        return min(full, level + (at_us - since_us) * share.rate.numerator)

    def _keep(self, key: str, level: int, at_us: int) -> None:
        self._levels[key] = (level, at_us)
        self._levels.move_to_end(key)
        if len(self._levels) > BUCKETS_COUNT:
            self._levels.popitem(last=False)


@lru_cache(maxsize=1_024)
def _share(bucket: BucketPolicy, workers_count: int) -> BucketPolicy:
    return BucketPolicy(bucket.rate / workers_count, max(1, bucket.burst // workers_count))


def _time_us(missing: int, share: BucketPolicy) -> int:
    """How long it takes until so much more is there, rounded up."""
    return -(-missing // share.rate.numerator)
