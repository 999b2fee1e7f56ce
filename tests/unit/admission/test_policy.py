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
    bounded = QuotaPolicy.of(limits(turns=7, relationships=25), PERIOD)
    assert bounded.arguments == (PERIOD.start_us, PERIOD.end_us, 7, 25, 0, 7)
    unbounded = QuotaPolicy.of(limits(overage=OveragePolicy.ALLOW), PERIOD)
    assert unbounded.arguments == (PERIOD.start_us, PERIOD.end_us, -1, 1_000_000, 1, 1_000_000)


@pytest.mark.parametrize(
    ("ceiling", "overage", "enforced"),
    [
        (None, OveragePolicy.BLOCK, 1_000_000),
        (25, OveragePolicy.BLOCK, 25),
        (5_000_000, OveragePolicy.BLOCK, 5_000_000),
        (25, OveragePolicy.ALLOW, 1_000_000),
        (5_000_000, OveragePolicy.ALLOW, 5_000_000),
    ],
)
def test_relationships_are_bounded_under_every_plan(
    ceiling: int | None, overage: OveragePolicy, enforced: int
) -> None:
    in_force = limits(relationships=ceiling, overage=overage)
    assert QuotaPolicy.of(in_force, PERIOD).relationships_limit == enforced


@pytest.mark.parametrize(
    ("turns", "own", "enforced"),
    [
        (1_000, None, 1_000),
        (0, None, 0),
        (None, None, 1_000_000),
        (5_000_000, None, 1_000_000),
        (1_000, 0, 0),
        (1_000, 5_000_000, 5_000_000),
    ],
)
def test_uncharged_turns_are_bounded_under_every_plan(
    turns: int | None, own: int | None, enforced: int
) -> None:
    in_force = limits(turns=turns, uncharged=own, overage=OveragePolicy.ALLOW)
    assert QuotaPolicy.of(in_force, PERIOD).uncharged_limit == enforced
