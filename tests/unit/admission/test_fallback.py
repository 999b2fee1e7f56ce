"""Local buckets: shares of a rate that add up to it, exact in themselves."""

from fractions import Fraction

import pytest

from app.admission import fallback
from app.admission.decision import Outcome
from app.admission.fallback import LocalBuckets
from app.admission.policy import BucketPolicy
from tests.unit.admission.world import NOON_US, SECOND_US, Hand

PRO = BucketPolicy(Fraction(25), 50)
KEY = "bucket:{org_1}"


def buckets(workers_count: int, hand: Hand) -> LocalBuckets:
    return LocalBuckets(workers_count, lambda: NOON_US, hand)


def admitted(local: LocalBuckets, key: str = KEY, bucket: BucketPolicy = PRO) -> int:
    """Return how many pass now."""
    count = 0
    while local.take(key, bucket, 1).outcome is Outcome.DEGRADED:
        count += 1
    return count


@pytest.mark.parametrize(("workers_count", "share"), [(1, 50), (2, 25), (4, 12), (64, 1)])
def test_each_worker_gives_out_its_share_of_the_burst(workers_count: int, share: int) -> None:
    assert admitted(buckets(workers_count, Hand())) == share


@pytest.mark.slow  # seconds of work
@pytest.mark.parametrize("workers_count", [1, 2, 3, 7, 25, 100])
def test_all_workers_together_give_out_the_rate(workers_count: int) -> None:
    hands = [Hand() for _ in range(workers_count)]
    workers = [buckets(workers_count, hand) for hand in hands]
    for local in workers:
        admitted(local)
    count = 0
    for _ in range(1_000):
        for hand, local in zip(hands, workers, strict=True):
            hand.us += SECOND_US // 50
            count += local.take(KEY, PRO, 1).outcome is Outcome.DEGRADED
    assert 25 * 20 - workers_count <= count <= 25 * 20


def test_a_refusal_has_the_true_wait_to_the_microsecond() -> None:
    hand = Hand()
    local = buckets(3, hand)
    admitted(local)
    refused = local.take(KEY, PRO, 1)
    assert (refused.outcome, refused.is_bucket_empty) == (Outcome.RATE_LIMITED, True)
    hand.us += refused.bucket.retry_after_us - 1
    assert local.take(KEY, PRO, 1).is_bucket_empty
    hand.us += 1
    assert not local.take(KEY, PRO, 1).is_bucket_empty


FREE = BucketPolicy(Fraction(5), 10)


@pytest.mark.parametrize(
    ("workers_count", "share"), [(1, 10), (2, 5), (3, 3), (4, 2), (10, 1), (64, 1)]
)
@pytest.mark.parametrize("tokens", [1, 2, 10, 1_000])
def test_a_price_above_the_burst_of_the_share_is_that_burst(
    workers_count: int, share: int, tokens: int
) -> None:
    hand, price = Hand(), min(tokens, share)
    local = buckets(workers_count, hand)
    first = local.take(KEY, FREE, tokens)
    assert (first.outcome, first.tokens) == (Outcome.DEGRADED, price)
    assert first.bucket.remaining == share - price
    admitted(local, bucket=FREE)
    for _ in range(5):
        refused = local.take(KEY, FREE, tokens)
        assert (refused.outcome, refused.tokens) == (Outcome.RATE_LIMITED, price)
        hand.us += refused.bucket.retry_after_us - 1
        assert local.take(KEY, FREE, tokens).bucket.retry_after_us == 1
        hand.us += 1
        assert local.take(KEY, FREE, tokens).outcome is Outcome.DEGRADED


def test_a_decision_has_the_whole_rate_and_the_tokens_left_of_the_share() -> None:
    decision = buckets(2, Hand()).take(KEY, PRO, 1)
    assert decision.is_local
    assert (decision.bucket.rate, decision.bucket.remaining) == (25, 24)
    assert decision.bucket.reset_at_us == NOON_US + 80_000
    assert (decision.account_now_us, decision.quota, decision.items) == (None, None, ())


def test_to_look_costs_nothing() -> None:
    local = buckets(1, Hand())
    for _ in range(100):
        assert local.take(KEY, PRO, 0).bucket.remaining == 50


def test_a_bucket_is_full_after_its_time_and_never_more() -> None:
    hand = Hand()
    local = buckets(1, hand)
    admitted(local)
    hand.us += 3_600 * SECOND_US
    assert admitted(local) == 50


def test_the_least_recently_used_bucket_leaves_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "BUCKETS_COUNT", 2)
    local = buckets(1, Hand())
    for key in ("a", "b"):
        admitted(local, key)
    assert local.take("a", PRO, 0).bucket.remaining == 0
    local.take("c", PRO, 1)
    assert local.take("a", PRO, 0).bucket.remaining == 0
    assert local.take("b", PRO, 0).bucket.remaining == 50
