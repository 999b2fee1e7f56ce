"""The quota, the projection and the bucket of an account, as the organization page shows them.

Sums are those of `flask quota show` and `GET /v1/usage/turns`.
"""

from datetime import timedelta
from fractions import Fraction
from typing import Any

from app.admission.decision import BucketState, QuotaState
from app.admission.policy import most_reservations
from app.http.instants import datetime_of_us, format_us
from app.tenancy.model import Limits, OveragePolicy
from app.watch.uses import state_of

Item = dict[str, Any]
LEAST_DAYS = 3
DAY_US = 86_400 * 1_000_000


def quota_data(quota: QuotaState, limits: Limits, now_us: int) -> Item:
    """Return the components of the quota, and how far the billing period is."""
    start_us, end_us = quota.period_start_us, quota.period_end_us
    return {
        "components": _components(quota, limits.overage_policy),
        "period_start": format_us(start_us),
        "resets_at": format_us(end_us),
        "period_per_mille": max(0, min(1_000, (now_us - start_us) * 1_000 // (end_us - start_us))),
        "most_reservations": most_reservations(limits),
    }


def _components(quota: QuotaState, overage: OveragePolicy) -> list[Item]:
    # A plan's ceiling of relationships does not refuse under overage; that of turns without a
    # cost does.
    is_lifted = overage is OveragePolicy.ALLOW
    return [
        _component(
            "turns",
            quota.turns_used,
            quota.turns_limit,
            held=quota.turns_reserved,
            is_lifted=is_lifted,
        ),
        _component(
            "active_relationships",
            quota.relationships_used,
            quota.relationships_limit,
            is_lifted=is_lifted,
        ),
        _component("uncharged_turns", quota.uncharged_used, quota.uncharged_limit),
    ]


def _component(
    name: str, used: int, limit: int | None, *, held: int = 0, is_lifted: bool = False
) -> Item:
    taken = used + held
    return {
        "component": name,
        "used": used,
        "held": held,
        "limit": limit,
        "left": None if limit is None else limit - taken,
        "per_mille": taken * 1_000 // limit if limit else None,
        "state": state_of(taken, limit, is_lifted=is_lifted),
    }


def projection_data(turns: Item, days: list[int], resets_at_us: int, now_us: int) -> Item | None:
    """Return how long the turns last at the pace of the last whole days; None if it is unknown.

    `turns` is the component, `days` the turns consumed on each of the last whole days, at most 7.
    With fewer than 3, without a limit, and without a turn in all of them there is no pace.
    """
    total = sum(days)
    if len(days) < LEAST_DAYS or not total or turns["limit"] is None or turns["left"] <= 0:
        return None
    pace = Fraction(total, len(days))
    ends_at_us = now_us + int(turns["left"] / pace * DAY_US)
    found: Item = {
        "days_count": len(days),
        "turns_a_day": total // len(days),
        "ends_on": None,
        "days_before_reset": None,
        "left_at_reset": None,
    }
    if ends_at_us >= resets_at_us:
        used_until_then = pace * Fraction(max(0, resets_at_us - now_us), DAY_US)
        return found | {"left_at_reset": turns["left"] - int(used_until_then)}
    ends_on, reset_on = (datetime_of_us(at_us).date() for at_us in (ends_at_us, resets_at_us))
    before = (reset_on - ends_on) // timedelta(days=1)
    return found | {"ends_on": ends_on.isoformat(), "days_before_reset": before}


def bucket_data(bucket: BucketState, limits: Limits, now_us: int) -> Item:
    """Return the bucket as it is now; live and test share it."""
    return {
        "tokens": bucket.remaining,
        "burst": limits.burst,
        "requests_per_second": limits.requests_per_second,
        "full_in_ms": max(0, -(-(bucket.reset_at_us - now_us) // 1_000)),
    }
