"""Limit headers, character by character."""

from fractions import Fraction

import pytest

from app.admission.decision import BucketState, Decision, Outcome, QuotaState
from app.admission.errors import whole_seconds
from app.admission.headers import quota_headers, rate_headers
from tests.unit.admission.world import NOON_US, PERIOD

QUOTA = QuotaState(41, 0, 1_000, 7, 25, PERIOD.start_us, PERIOD.end_us, 0, 1_000, 25)


def decision(rate: Fraction, reset_at_us: int) -> Decision:
    return Decision(Outcome.ADMITTED, BucketState(rate, 9, reset_at_us, 0), NOON_US)


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(Fraction(25), "25"), (Fraction(1, 2), "0.5"), (Fraction(7, 60), "0.116667")],
)
def test_limit_is_the_rate_per_second(rate: Fraction, shown: str) -> None:
    headers = rate_headers(decision(rate, NOON_US))
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == (shown, "9")


@pytest.mark.parametrize(
    ("after_us", "shown"),
    [
        (0, "2026-11-23T12:00:00.000Z"),
        (1, "2026-11-23T12:00:00.001Z"),
        (1_000, "2026-11-23T12:00:00.001Z"),
        (999_001, "2026-11-23T12:00:01.000Z"),
    ],
)
def test_reset_is_rounded_up_to_the_millisecond(after_us: int, shown: str) -> None:
    headers = rate_headers(decision(Fraction(1), NOON_US + after_us))
    assert headers["X-RateLimit-Reset"] == shown


def test_quota_headers() -> None:
    assert quota_headers(QUOTA) == {
        "X-Quota-Turns-Used": "41",
        "X-Quota-Turns-Limit": "1000",
        "X-Quota-Active-Relationships-Used": "7",
        "X-Quota-Active-Relationships-Limit": "25",
        "X-Quota-Reset": "2026-12-05T00:00:00.000Z",
    }


def test_unlimited_ceilings_are_left_out() -> None:
    unlimited = QUOTA._replace(turns_limit=None, relationships_limit=None)
    assert not [name for name in quota_headers(unlimited) if name.endswith("-Limit")]


@pytest.mark.parametrize(
    ("wait_us", "seconds"),
    [(0, 1), (1, 1), (1_000_000, 1), (1_000_001, 2), (2_000_000, 2), (86_400_000_000, 86_400)],
)
def test_retry_after_is_rounded_up_and_at_least_one(wait_us: int, seconds: int) -> None:
    assert whole_seconds(wait_us) == seconds
