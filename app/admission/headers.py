"""The limit headers of the wire contract, from a decision: pure functions."""

from fractions import Fraction

from app.admission.decision import Decision, QuotaState
from app.http.instants import format_us


def rate_headers(decision: Decision) -> dict[str, str]:
    """`X-RateLimit-*`: refill rate per second, whole tokens left, when the bucket is full again."""
    bucket = decision.bucket
    return {
        "X-RateLimit-Limit": _decimal(bucket.rate),
        "X-RateLimit-Remaining": str(bucket.remaining),
        "X-RateLimit-Reset": format_us(bucket.reset_at_us),
    }


def quota_headers(quota: QuotaState) -> dict[str, str]:
    """`X-Quota-*`: counters and ceilings of the billing period; an unlimited ceiling is left out.

    Used turns include reserved ones, so that limit minus used is what is left.
    """
    values = {
        "X-Quota-Turns-Used": quota.turns_used + quota.turns_reserved,
        "X-Quota-Turns-Limit": quota.turns_limit,
        "X-Quota-Active-Relationships-Used": quota.relationships_used,
        "X-Quota-Active-Relationships-Limit": quota.relationships_limit,
    }
    shown = {name: str(value) for name, value in values.items() if value is not None}
    return shown | {"X-Quota-Reset": format_us(quota.period_end_us)}


def retry_after_s(wait_us: int) -> int:
    """`Retry-After`: whole seconds, at least 1, rounded up so that who waits is admitted."""
    return max(1, -(-wait_us // 1_000_000))


def _decimal(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{float(rate):.6g}"
