"""Values of minutes: outcomes, causes and a histogram of latencies."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from app.http.problems import is_error
from app.observability.answer import Answer

# Upper bounds in milliseconds, inclusive; one more bucket has what took longer.
LATENCY_BOUNDS_MS = (
    *(1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 75.0),
    *(100.0, 150.0, 200.0, 300.0, 500.0, 1_000.0, 2_500.0, 10_000.0),
)
BUCKETS_COUNT = len(LATENCY_BOUNDS_MS) + 1
MINUTE_S = 60
RATE = "rate"
OTHERS = "others"


class Outcome(StrEnum):
    """The outcome of a request."""

    # Every request counts by it, and an enumeration's own hash is a function in Python.
    __hash__ = str.__hash__

    ADMITTED = "admitted"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"


_BY_CODE = {
    "rate_limit_exceeded": Outcome.RATE_LIMITED,
    "quota_exhausted": Outcome.QUOTA_EXHAUSTED,
}
LIMITED = frozenset(_BY_CODE.values())


# The causes of each outcome: `rate`, or the `component` of an error's details.
CAUSES: Mapping[Outcome, tuple[str, ...]] = {
    Outcome.RATE_LIMITED: (RATE, "concurrency", "reservations"),
    Outcome.QUOTA_EXHAUSTED: ("turns", "active_relationships", "uncharged_turns"),
}


class Refusal(NamedTuple):
    """An organization, or `OTHERS`, and the cause of its refusals."""

    organization_id: str
    cause: str


class DayRefusals(NamedTuple):
    """The refused requests of an organization on a day (`2026-11-30`, UTC), in the order of CAUSES.

    They lack those that its minutes count as of `OTHERS`.
    """

    day: str
    rate_limited: int
    quota_exhausted: int


class Minute(NamedTuple):
    """The answers of one minute of all processes.

    `at_s` is its first second, since 1970. `latencies` are counts by `LATENCY_BOUNDS_MS`.
    """

    at_s: int
    counts: Mapping[Outcome, int]
    latencies: Sequence[int]


def outcome_of(answer: Answer) -> Outcome:
    """Return the outcome of an answer."""
    if not is_error(answer.status):
        return Outcome.ADMITTED
    if answer.error_code in _BY_CODE:
        return _BY_CODE[answer.error_code]
    return Outcome.SERVER_ERROR if answer.status // 100 == 5 else Outcome.CLIENT_ERROR


def bucket_of(duration_ms: float) -> int:
    """Return the index of the bucket that counts a latency."""
    return bisect_left(LATENCY_BOUNDS_MS, duration_ms)


def find_quantile_ms(latencies: Sequence[int], share: float) -> float | None:
    """Return a quantile of a histogram, linear within its bucket; None if it is empty.

    In the last bucket it is that bucket's lower bound: more is not known.
    """
    rank = sum(latencies) * share
    if not rank:
        return None
    below = 0
    for index, count in enumerate(latencies[:-1]):
        if count and below + count >= rank:
            low = LATENCY_BOUNDS_MS[index - 1] if index else 0.0
            return low + (LATENCY_BOUNDS_MS[index] - low) * (rank - below) / count
        below += count
    return LATENCY_BOUNDS_MS[-1]
