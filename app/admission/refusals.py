"""What a refused caller is told, from the decision that refused: pure functions."""

from fractions import Fraction

from app.admission.concurrency import ConcurrencyExceeded
from app.admission.decision import Decision, ItemCharge, QuotaState, Verdict
from app.http.instants import format_us
from app.http.problems import Problem

_COMPONENTS = {
    Verdict.TURNS_EXHAUSTED: "turns",
    Verdict.RELATIONSHIPS_EXHAUSTED: "active_relationships",
}


def rate_problem(decision: Decision) -> Problem:
    """The 429 for an empty bucket."""
    wait_us = decision.bucket.retry_after_us
    wait_s = retry_after_s(wait_us)
    return Problem(
        "rate_limit_exceeded",
        f"Rate limit exceeded. Retry after {wait_s} second{'s' if wait_s > 1 else ''}.",
        details={
            "limit": _number(decision.bucket.rate),
            "retry_after_ms": -(-wait_us // 1000),
        },
        retry_after_s=wait_s,
    )


def reservations_problem(decision: Decision) -> Problem:
    """The 429 for too many open reservations."""
    if decision.hold is None:
        raise AssertionError("a refused reservation says when fewer are open")
    wait_us = decision.hold.wait_us
    wait_s = retry_after_s(wait_us)
    return Problem(
        "rate_limit_exceeded",
        f"{decision.hold.most_open} reservations are open. Complete or cancel some, or retry after "
        f"{wait_s} second{'s' if wait_s > 1 else ''}, when enough of them have expired.",
        details={
            "component": "reservations",
            "limit": decision.hold.most_open,
            "retry_after_ms": -(-wait_us // 1000),
        },
        retry_after_s=wait_s,
    )


def concurrency_problem(exceeded: ConcurrencyExceeded) -> Problem:
    """The 429 for too many requests of the organization in flight.

    Nobody knows when one of them ends, so `Retry-After` is advice and not a promise.
    """
    kind = "batches and filtered aggregates" if exceeded.is_heavy else "requests"
    return Problem(
        "rate_limit_exceeded",
        f"Too many {kind} of your organization are in progress. Send fewer at the same time, and "
        "retry after 1 second.",
        details={"component": "concurrency", "limit": exceeded.limit, "retry_after_ms": 1_000},
        retry_after_s=1,
    )


def quota_problem(decision: Decision, item: ItemCharge) -> Problem:
    """Return the 429 for `item`, which the quota refused.

    The wait ends with the period, or earlier if open reservations are in the way and enough of
    them expire before. If the bucket is empty as well, the later wait counts.
    """
    quota = decision.quota
    if quota is None:
        raise AssertionError("a quota refusal always carries the quota")
    is_turns = item.verdict is Verdict.TURNS_EXHAUSTED
    used = quota.turns_used + quota.turns_reserved if is_turns else quota.relationships_used
    limit = quota.turns_limit if is_turns else quota.relationships_limit
    held_until_us = _held_until_us(item, quota)
    fits_at_us = held_until_us or quota.period_end_us
    wait_us = max(decision.bucket.retry_after_us, fits_at_us - decision.time_us, 0)
    return Problem(
        "quota_exhausted",
        _quota_sentence(f"{limit} {_COMPONENTS[item.verdict]}", quota, held_until_us),
        details={
            "component": _COMPONENTS[item.verdict],
            "used": used,
            "limit": limit,
            "resets_at": format_us(quota.period_end_us),
            "held_until": format_us(held_until_us) if held_until_us else None,
            "retry_after_ms": -(-wait_us // 1000),
        },
        retry_after_s=retry_after_s(wait_us),
    )


def _held_until_us(item: ItemCharge, quota: QuotaState) -> int | None:
    """Return when enough reservations have expired; None if the period ends before that."""
    return item.fits_at_us if 0 < item.fits_at_us < quota.period_end_us else None


def _quota_sentence(ceiling: str, quota: QuotaState, held_until_us: int | None) -> str:
    ceiling = ceiling.replace("_", " ")
    if held_until_us is None:
        resets_at = format_us(quota.period_end_us)
        return f"The quota of {ceiling} is spent until {resets_at}. Upgrade the plan or wait."
    return (
        f"Open reservations hold what is left of the quota of {ceiling}. Cancel some, or retry "
        f"after {format_us(held_until_us)}, when enough of them have expired."
    )


def retry_after_s(wait_us: int) -> int:
    """Return `Retry-After`: whole seconds, at least 1, rounded up so that the retry is admitted."""
    return max(1, -(-wait_us // 1_000_000))


def _number(rate: Fraction) -> int | float:
    return rate.numerator if rate.denominator == 1 else float(rate)
