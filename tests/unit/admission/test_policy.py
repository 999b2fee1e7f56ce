"""Limits in the script's units: whole numbers that a double holds."""

from fractions import Fraction

import pytest

from app.admission.policy import BucketPolicy, QuotaPolicy
from app.tenancy.model import OveragePolicy
from tests.unit.admission.world import PERIOD, limits


@pytest.mark.parametrize(
    ("rate", "arguments"),
    [
        (Fraction(5), [5, 1_000_000, 10, 1]),
        (Fraction(500), [500, 1_000_000, 10, 1]),
        (Fraction(7, 60), [7, 60_000_000, 10, 1]),
        (Fraction(600, 60), [10, 1_000_000, 10, 1]),
    ],
)
def test_rate_is_reduced_and_its_period_is_whole_seconds(
    rate: Fraction, arguments: list[int]
) -> None:
    bucket = BucketPolicy(rate, 10)
    assert bucket.arguments(tokens=1) == list(bucket.one_token) == arguments


@pytest.mark.parametrize(
    ("rate", "burst"),
    [(Fraction(0), 1), (Fraction(-1), 1), (Fraction(1), 0), (Fraction(1), 2**53 // 10**6 + 1)],
)
def test_bucket_that_could_not_be_exact_is_refused(rate: Fraction, burst: int) -> None:
    with pytest.raises(ValueError, match="exact"):
        BucketPolicy(rate, burst)


@pytest.mark.parametrize("tokens", [-1, 11])
def test_price_that_could_never_be_paid_is_refused(tokens: int) -> None:
    with pytest.raises(ValueError, match="bucket of 10"):
        BucketPolicy(Fraction(1), 10).arguments(tokens)


def test_quota_arguments() -> None:
    bounded = QuotaPolicy.of(limits(turns=0, relationships=25), PERIOD)
    assert bounded.arguments == (PERIOD.start_us, PERIOD.end_us, 0, 25, 0)
    unbounded = QuotaPolicy.of(limits(overage=OveragePolicy.ALLOW), PERIOD)
    assert unbounded.arguments == (PERIOD.start_us, PERIOD.end_us, -1, -1, 1)
