"""Make the error of a refusal from the decision that refused: pure functions."""

from app.admission.decision import Decision, ItemCharge, QuotaState, Verdict
from app.admission.errors import QuotaExhausted, RateLimited, TooManyReservations


def refusal_of(decision: Decision) -> RateLimited | TooManyReservations:
    """Return the error of a request that the bucket refused, or too many open reservations."""
    if decision.is_bucket_empty:
        bucket = decision.bucket
        return RateLimited(bucket.rate, bucket.retry_after_us, decision.tokens)
    if decision.hold is None:
        raise AssertionError("a refused reservation says when fewer are open")
    return TooManyReservations(decision.hold.most_open, decision.hold.wait_us)


def quota_refusal(decision: Decision, item: ItemCharge) -> QuotaExhausted:
    """Return the error of a turn that the quota refused.

    | what uses the quota up | the turn fits |
    | --- | --- |
    | charged or uncharged turns | when the period ends |
    | open reservations that expire within the period | when enough of them have expired |

    If the bucket is empty as well, the later wait counts.
    """
    quota = decision.quota
    if quota is None:
        raise AssertionError("a quota refusal always has the quota")
    held_until_us = item.fits_at_us if 0 < item.fits_at_us < quota.period_end_us else None
    fits_at_us = held_until_us or quota.period_end_us
    component, used, limit = _spent(quota, item.verdict)
    return QuotaExhausted(
        component,
        used=used,
        limit=limit,
        resets_at_us=quota.period_end_us,
        held_until_us=held_until_us,
        wait_us=max(decision.bucket.retry_after_us, fits_at_us - decision.time_us, 0),
    )


def _spent(quota: QuotaState, verdict: Verdict) -> tuple[str, int, int | None]:
    """Return the component that refused a turn, what is used of it, and its ceiling."""
    if verdict is Verdict.TURNS_EXHAUSTED:
        return "turns", quota.turns_used + quota.turns_reserved, quota.turns_limit
    if verdict is Verdict.UNCHARGED_EXHAUSTED:
        return "uncharged_turns", quota.uncharged_used, quota.uncharged_limit
    return "active_relationships", quota.relationships_used, quota.relationships_ceiling
