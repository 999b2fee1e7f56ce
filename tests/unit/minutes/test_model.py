"""Outcomes and quantiles of minutes."""

import pytest

from app.minutes.model import (
    BUCKETS_COUNT,
    LATENCY_BOUNDS_MS,
    Outcome,
    bucket_of,
    find_quantile_ms,
    outcome_of,
)
from tests.unit.request_log.refusals import refusal


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (200, None, Outcome.ADMITTED),
        (304, None, Outcome.ADMITTED),
        (429, "rate_limit_exceeded", Outcome.RATE_LIMITED),
        (429, "quota_exhausted", Outcome.QUOTA_EXHAUSTED),
        (400, "validation_error", Outcome.CLIENT_ERROR),
        (404, None, Outcome.CLIENT_ERROR),
        (500, "internal_error", Outcome.SERVER_ERROR),
        (503, "service_unavailable", Outcome.SERVER_ERROR),
    ],
)
def test_outcomes(status: int, code: str | None, outcome: Outcome) -> None:
    assert outcome_of(refusal(status=status)._replace(error_code=code)) is outcome


def test_every_latency_has_a_bucket_whose_bound_it_does_not_exceed() -> None:
    assert list(LATENCY_BOUNDS_MS) == sorted(set(LATENCY_BOUNDS_MS))
    for latency_ms in (0.0, 1.0, 1.01, 99.0, 100.0, 10_000.0):
        index = bucket_of(latency_ms)
        assert latency_ms <= LATENCY_BOUNDS_MS[index]
        assert index == 0 or latency_ms > LATENCY_BOUNDS_MS[index - 1]
    assert bucket_of(10_000.1) == BUCKETS_COUNT - 1


def histogram(*latencies_ms: float) -> list[int]:
    counts = [0] * BUCKETS_COUNT
    for latency_ms in latencies_ms:
        counts[bucket_of(latency_ms)] += 1
    return counts


def test_quantiles() -> None:
    assert find_quantile_ms(histogram(), 0.5) is None
    # Ten between 1 and 2 ms: the median is taken as their middle.
    assert find_quantile_ms(histogram(*[1.5] * 10), 0.5) == 1.5
    mixed = histogram(*[0.5] * 90, *[40.0] * 10)
    assert find_quantile_ms(mixed, 0.5) == pytest.approx(50 / 90)
    assert find_quantile_ms(mixed, 0.95) == 40.0
    assert find_quantile_ms(histogram(20_000.0), 0.5) == 10_000.0
