"""What is left of an account's limits, and when the quota will be spent at the current pace."""

from datetime import UTC, datetime
from typing import NamedTuple

from app.admission.decision import BucketState, QuotaState
from app.admission.peek import Peek
from app.http.durations import DAY_MS
from app.interactions.model import Filters
from app.tenancy.model import Principal
from app.usage.buckets import Grouping
from app.usage.names import NO_NAME
from app.usage.service import Slice, UsageService

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
        # A held turn may be given back: only what is used brings the end nearer.
        left = quota.turns_limit - quota.turns_used
        if left <= 0:
            return LimitsView(bucket, quota, now_us)
        days = pace_days(principal, now_us)
        if not days:
            return LimitsView(bucket, quota, None)
        consumed = self._consumed(principal.account, quota, now_us // 1_000, days)
        return LimitsView(bucket, quota, exhausted_at_us(left, consumed, days, quota, now_us))

    def _consumed(self, account: str, quota: QuotaState, now_ms: int, days: int) -> int:
        """Return the turns that the last whole days have charged."""
        today_ms = now_ms - now_ms % DAY_MS
        asked = Filters(from_ms=today_ms - days * DAY_MS, to_ms=today_ms)
        slices = self._usage.turns(account, asked, Grouping.DAY, quota, now_ms, dimension="key")
        return sum(each.rollup.turns_consumed - _imported(each) for each in slices)


def pace_days(principal: Principal, now_us: int) -> int:
    """Return the number of whole days of the pace; days before the sign-up do not count."""
    today = datetime.fromtimestamp(now_us / 1_000_000, UTC).date()
    return min(PACE_DAYS, max(0, (today - principal.signed_up_on).days))


def exhausted_at_us(
    left: int, consumed: int, days: int, quota: QuotaState, now_us: int
) -> int | None:
    """Return when `left` turns are spent, at the pace of `consumed` turns in so many days.

    None if the billing period ends before.
    """
    if not consumed:
        return None
    at_us = now_us + left * days * DAY_MS * 1_000 // consumed
    return at_us if at_us < quota.period_end_us else None


def _imported(part: Slice) -> int:
    """Return the turns of imports, which have no key and charge no quota."""
    shares = part.shares or ()
    return sum(share.sums.turns_consumed for share in shares if share.name == NO_NAME)
