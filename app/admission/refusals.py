"""What a refused caller is told, from the decision that refused: pure functions."""

from fractions import Fraction

from app.admission.concurrency import ConcurrencyExceeded
from app.admission.decision import Decision, Outcome, Verdict
from app.admission.headers import retry_after_s
from app.http.instants import format_us
from app.http.problems import Problem

_COMPONENTS = {
    Verdict.TURNS_EXHAUSTED: "turns",
    Verdict.RELATIONSHIPS_EXHAUSTED: "active_relationships",
}


def require_admission(decision: Decision) -> Decision:
    """The decision, unless the bucket is empty or too much is reserved: then that is raised.

    A quota's refusal passes: it is up to the recording service, since the turn may be stored.
    """
    if decision.outcome is Outcome.RATE_LIMITED:
        raise rate_problem(decision) if decision.is_rate_limited else reservations_problem(decision)
    return decision


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
        raise AssertionError("a refused reservation tells when the next one lapses")
    wait_us = decision.hold.wait_us
    wait_s = retry_after_s(wait_us)
    return Problem(
        "rate_limit_exceeded",
        f"{decision.hold.most_open} reservations are open. Complete or cancel some, or retry after "
        f"{wait_s} second{'s' if wait_s > 1 else ''}, when the next one lapses.",
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


def quota_problem(decision: Decision, verdict: Verdict) -> Problem:
    """The 429 for a spent quota, with the later of both waits if the bucket is empty as well."""
    quota = decision.quota
    if quota is None:
        raise AssertionError("a quota refusal always carries the quota")
    component = _COMPONENTS[verdict]
    is_turns = verdict is Verdict.TURNS_EXHAUSTED
    used = quota.turns_used + quota.turns_reserved if is_turns else quota.relationships_used
    limit = quota.turns_limit if is_turns else quota.relationships_limit
    resets_at = format_us(quota.period_end_us)
    wait_us = max(decision.bucket.retry_after_us, quota.period_end_us - decision.time_us)
    held = quota.turns_reserved
    remedy = (
        f"{held} turn{'s are' if held > 1 else ' is'} held by open reservations: what is cancelled "
        "or lapses gives its place back."
        if held
        else "Upgrade the plan or wait."
    )
    return Problem(
        "quota_exhausted",
        f"The quota of {limit} {component.replace('_', ' ')} is spent until {resets_at}. {remedy}",
        details={"component": component, "used": used, "limit": limit, "resets_at": resets_at},
        retry_after_s=retry_after_s(wait_us),
    )


def _number(rate: Fraction) -> int | float:
    return rate.numerator if rate.denominator == 1 else float(rate)
