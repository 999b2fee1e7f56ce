"""Decide in this process alone while Redis is unavailable.

Approximate by design: each worker of a service gives out its share of an organization's rate, so
that all of them together give out about that rate. The arithmetic is the script's: a level is
tokens x period, in whole numbers (`lua/bucket.lua`).
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from threading import Lock

from app.admission.clock import monotonic_us
from app.admission.decision import (
    BucketState,
    Decision,
    Hold,
    ItemCharge,
    Outcome,
    TurnCharge,
    Verdict,
)
from app.admission.keys import organization_bucket
from app.admission.operations import Operation
from app.admission.policy import MAX_HOLD_S, SECOND_US, BucketPolicy, most_reservations
from app.tenancy.model import Principal
from app.tenancy.periods import Period, period_at

BUCKETS_COUNT = 10_000


class LocalBuckets:
    """At most `BUCKETS_COUNT` buckets; the least recently used are dropped, and start full again.

    `now_us` is the clock of the decisions, `workers_count` the number of processes that share a
    rate. Safe between threads.
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

    def decide(self, principal: Principal, operation: Operation) -> Decision:
        """Take the operation's tokens and let its turns pass without a charge.

        Reconciliation counts them in the current period, or in that of `reserved_at_us` while a
        reservation made then may still be open. A reservation holds nothing.
        """
        bucket = BucketPolicy.of(principal.limits)
        key = organization_bucket(principal.organization_id)
        decision = self.take(key, bucket, operation.tokens)
        now_us = decision.time_us
        turns = () if decision.is_bucket_empty else operation.turns_without_redis
        hold = None
        if operation.hold_us is not None:
            most_open = most_reservations(principal.limits)
            hold = Hold(now_us + operation.hold_us, operation.hold_us, most_open)
        return decision._replace(
            items=tuple(_let_through(turn, now_us) for turn in turns),
            period=_period(principal, now_us, operation.reserved_at_us),
            hold=hold,
        )

    def take(self, key: str, bucket: BucketPolicy, tokens: int) -> Decision:
        """Take `tokens` from this process's share of `bucket`; 0 only looks.

        The decision is DEGRADED, or RATE_LIMITED with the wait after which this process admits. It
        contains the whole rate, and the tokens left of the share. A price above the share's burst
        is lowered to it: the share never holds more, so no wait would be long enough.
        """
        share = _share(bucket, self._workers_count)
        tokens = min(tokens, share.burst)
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
        return Decision(outcome, state, now_us, is_local=True, tokens=tokens)

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


def _let_through(turn: TurnCharge, now_us: int) -> ItemCharge:
    """Return the item of a turn that passes: CHARGED for its request, counted by reconciliation."""
    return ItemCharge(Verdict.CHARGED, now_us, relationship_counted=False, turn_key=turn.turn_key)


def _period(principal: Principal, now_us: int, reserved_at_us: int | None) -> Period:
    if reserved_at_us is not None and now_us - reserved_at_us <= MAX_HOLD_S * SECOND_US:
        return period_at(principal.signed_up_on, reserved_at_us)
    return period_at(principal.signed_up_on, now_us)


def _time_us(missing: int, share: BucketPolicy) -> int:
    """Return the time until `missing` is refilled, rounded up."""
    return -(-missing // share.rate.numerator)
