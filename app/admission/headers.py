"""Render the limit headers of the wire contract from a request's admission."""

from fractions import Fraction
from functools import lru_cache

from app.admission.decision import Decision, QuotaState
from app.admission.ticket import AddressTicket, AdmissionTicket
from app.http.instants import format_us


def limit_headers(ticket: AddressTicket | AdmissionTicket, *, shows_quota: bool) -> dict[str, str]:
    """Return the headers of an answer; none before a charge.

    An account's quota is shown if the answer `shows_quota` or the request asked for turns. It is
    read for that if the decision lacks it, and left out if it cannot be read.
    """
    decision = ticket.decision
    if decision is None:
        return {}
    shown = rate_headers(decision)
    if isinstance(ticket, AdmissionTicket) and (shows_quota or decision.items):
        quota = decision.quota or ticket.find_quota()
        return shown | quota_headers(quota) if quota else shown
    return shown


def rate_headers(decision: Decision) -> dict[str, str]:
    """Return `X-RateLimit-*`: tokens per second, whole tokens left, when the bucket is full."""
    bucket = decision.bucket
    return {
        "X-RateLimit-Limit": _decimal(bucket.rate),
        "X-RateLimit-Remaining": str(bucket.remaining),
        "X-RateLimit-Reset": format_us(bucket.reset_at_us),
    }


def quota_headers(quota: QuotaState) -> dict[str, str]:
    """Return `X-Quota-*`: counters and ceilings of the billing period; no unlimited ceilings.

    Used turns include reserved ones: limit minus used is available.
    """
    values = {
        "X-Quota-Turns-Used": quota.turns_used + quota.turns_reserved,
        "X-Quota-Turns-Limit": quota.turns_limit,
        "X-Quota-Active-Relationships-Used": quota.relationships_used,
        "X-Quota-Active-Relationships-Limit": quota.relationships_limit,
    }
    shown = {name: str(value) for name, value in values.items() if value is not None}
    return shown | {"X-Quota-Reset": format_us(quota.period_end_us)}


@lru_cache(maxsize=1_024)
def _decimal(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{float(rate):.6g}"
