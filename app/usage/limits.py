"""What is left of an account's limits, and when the quota will be spent at the present pace."""

from typing import NamedTuple

from app.admission.decision import BucketState, QuotaState
from app.admission.peek import Peek
from app.http.durations import DAY_MS
from app.interactions.model import Filters
from app.tenancy.model import Principal
from app.usage.buckets import Grouping
from app.usage.service import UsageService

# The pace is the mean of so many whole days before today.
PACE_DAYS = 7


class LimitsView(NamedTuple):
    """The limits of an account; `quota` is None while no counters are loaded.

    `exhausted_at_us` is None if the quota is not expected to be spent in the billing period.
    """

    bucket: BucketState
    quota: QuotaState | None
    exhausted_at_us: int | None


class LimitsReader:
    """Reads limits without a charge and without a write."""

    def __init__(self, peek: Peek, usage: UsageService) -> None:
        self._peek = peek
        self._usage = usage

    def read(self, principal: Principal, now_us: int) -> LimitsView:
        """Return the limits of an account; the errors of both stores pass."""
        quota, bucket = self._peek.one(principal)
        if quota is None or quota.turns_limit is None:
            return LimitsView(bucket, quota, None)
        left = quota.turns_limit - quota.turns_used - quota.turns_reserved
        if left <= 0:
            return LimitsView(bucket, quota, now_us)
        consumed = self._consumed(principal.account, quota, now_us // 1_000)
        return LimitsView(bucket, quota, exhausted_at_us(left, consumed, quota, now_us))

    def _consumed(self, account: str, quota: QuotaState, now_ms: int) -> int:
        """Return the turns that the last whole days have cost."""
        today_ms = now_ms - now_ms % DAY_MS
        asked = Filters(from_ms=today_ms - PACE_DAYS * DAY_MS, to_ms=today_ms)
        slices = self._usage.turns(account, asked, Grouping.DAY, quota, now_ms)
        return sum(each.rollup.turns_consumed for each in slices)


def exhausted_at_us(left: int, consumed: int, quota: QuotaState, now_us: int) -> int | None:
    """Return when `left` turns are spent, at the pace of `consumed` turns in `PACE_DAYS`.

    None if the billing period ends before.
    """
    if not consumed:
        return None
    at_us = now_us + left * PACE_DAYS * DAY_MS * 1_000 // consumed
    return at_us if at_us < quota.period_end_us else None
