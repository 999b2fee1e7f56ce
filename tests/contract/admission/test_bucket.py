"""The token bucket: exact to the microsecond, true to what it says, unharmed by clocks."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.admission.decision import Decision, Outcome
from app.admission.keys import address_bucket
from app.admission.policy import BucketPolicy
from app.admission.replies import Status
from tests.unit.admission.world import (
    HOUR_US,
    KEYS,
    NOON_US,
    SECOND_US,
    Hand,
    World,
    limits,
    principal,
    turn,
)

ADDRESS = address_bucket("203.0.113.7")
YEAR_US = 365 * 24 * HOUR_US
SEVEN_A_MINUTE = Fraction(7, 60)

rates = st.sampled_from(
    [SEVEN_A_MINUTE, Fraction(54, 60), Fraction(1), Fraction(25), Fraction(997)]
)
shared_redis = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def spend(world: World, rate: int = 5, burst: int = 10) -> Decision:
    return world.gate.admit(principal(limits(rate=rate, burst=burst)))


def spend_until_refused(world: World, rate: int = 5, burst: int = 10) -> Decision:
    """Empty a full bucket; the refusal after it."""
    *admitted, refused = [spend(world, rate, burst) for _ in range(burst + 1)]
    assert {decision.outcome for decision in admitted} == {Outcome.ADMITTED}
    assert refused.outcome is Outcome.RATE_LIMITED
    return refused


@shared_redis
@given(rate=rates, burst=st.integers(1, 5), phase_us=st.integers(0, 10 * SECOND_US))
def test_retry_after_is_tight_to_the_microsecond(
    world: World, hand: Hand, rate: Fraction, burst: int, phase_us: int
) -> None:
    world.client.flushdb()
    bucket = BucketPolicy(rate, burst)
    for _ in range(burst):
        assert world.script.admit_address(ADDRESS, bucket).status is Status.DONE
    hand.us += phase_us % int(SECOND_US / rate)
    refused = world.script.admit_address(ADDRESS, bucket)
    assert refused.status is Status.RATE_LIMITED
    _, retry_after_us, _ = refused.results
    hand.us += retry_after_us - 1
    assert world.script.admit_address(ADDRESS, bucket).status is Status.RATE_LIMITED
    hand.us += 1
    assert world.script.admit_address(ADDRESS, bucket).status is Status.DONE


@pytest.mark.slow  # seconds of work
@shared_redis
@given(gaps_us=st.lists(st.integers(0, 400_000), min_size=10, max_size=40))
def test_no_interval_admits_more_than_burst_and_refill(
    world: World, hand: Hand, gaps_us: list[int]
) -> None:
    world.client.flushdb()
    admitted: list[int] = []
    for gap_us in gaps_us:
        hand.us += gap_us
        if spend(world, rate=5, burst=3).outcome is Outcome.ADMITTED:
            admitted.append(hand.us)
    for first, start in enumerate(admitted):
        for last, end in enumerate(admitted[first:], start=first):
            assert last - first + 1 <= 3 + Fraction(5 * (end - start), SECOND_US)


def test_polling_while_refused_delays_nothing(world: World, hand: Hand) -> None:
    refused = spend_until_refused(world)
    for _ in range(refused.bucket.retry_after_us // 10_000 - 1):
        hand.us += 10_000
        assert spend(world).outcome is Outcome.RATE_LIMITED
    hand.us = refused.time_us + refused.bucket.retry_after_us
    assert spend(world).outcome is Outcome.ADMITTED


def test_remaining_can_be_spent_at_once_and_no_more(world: World, hand: Hand) -> None:
    spend_until_refused(world)
    hand.us += 1_300_000
    remaining = [spend(world).bucket.remaining for _ in range(6)]
    assert remaining == [5, 4, 3, 2, 1, 0]
    assert spend(world).outcome is Outcome.RATE_LIMITED


def test_bucket_is_full_exactly_at_its_reset(world: World, hand: Hand) -> None:
    reset_at_us = spend(world, rate=7, burst=3).bucket.reset_at_us
    hand.us = reset_at_us - 1
    assert spend(world, rate=7, burst=3).bucket.remaining == 1
    world.client.flushdb()
    hand.us = NOON_US
    hand.us = spend(world, rate=7, burst=3).bucket.reset_at_us
    assert spend(world, rate=7, burst=3).bucket.remaining == 2


@pytest.mark.slow  # seconds of work
def test_ten_years_at_seven_a_minute_do_not_drift(world: World, hand: Hand) -> None:
    bucket = BucketPolicy(SEVEN_A_MINUTE, 1_000_000)
    taken, steps_count = 0, 500
    for step in range(steps_count + 1):
        hand.us = NOON_US + 10 * YEAR_US * step // steps_count
        remaining, _, _ = world.script.admit_address(ADDRESS, bucket, tokens=0).results
        assert world.script.admit_address(ADDRESS, bucket, remaining).status is Status.DONE
        taken += remaining
    assert taken == bucket.burst + floor(Fraction(10 * YEAR_US, SECOND_US) * SEVEN_A_MINUTE)


@pytest.mark.parametrize("step_us", [HOUR_US, 30 * SECOND_US, SECOND_US + 1])
def test_clock_that_steps_back_heals_at_once(world: World, hand: Hand, step_us: int) -> None:
    refused = spend_until_refused(world)
    hand.us -= step_us
    again = spend(world)
    assert again.outcome is Outcome.RATE_LIMITED
    assert again.bucket.retry_after_us == refused.bucket.retry_after_us
    hand.us += again.bucket.retry_after_us
    assert spend(world).outcome is Outcome.ADMITTED


def test_small_step_back_is_waited_out(world: World, hand: Hand) -> None:
    refused = spend_until_refused(world)
    hand.us -= SECOND_US
    assert spend(world).bucket.retry_after_us == refused.bucket.retry_after_us + SECOND_US


def test_clock_that_jumps_ahead_gives_one_burst(world: World, hand: Hand) -> None:
    spend_until_refused(world)
    hand.us += HOUR_US
    assert spend(world).bucket.remaining == 9


@pytest.mark.parametrize(("rate", "burst"), [(1, 1), (100, 10), (1_000_000, 1), (1, 100)])
def test_bucket_expires_only_when_it_is_full_again(world: World, rate: int, burst: int) -> None:
    left_us = spend(world, rate, burst).bucket.reset_at_us - NOON_US
    expires_in_ms = world.client.pttl("bucket:{org_01J00000000000000000000000}")
    assert left_us / 1000 < expires_in_ms <= left_us / 1000 + 1_001


def test_smaller_plan_clamps_and_greater_plan_gives_nothing_away(world: World, hand: Hand) -> None:
    assert spend(world, rate=25, burst=50).bucket.remaining == 49
    assert spend(world, rate=5, burst=10).bucket.remaining == 9
    assert spend(world, rate=25, burst=50).bucket.remaining == 8
    hand.us += SECOND_US
    assert spend(world, rate=25, burst=50).bucket.remaining == 32


def test_refused_five_hundred_times_writes_nothing(live_world: World) -> None:
    refused_quota = principal(limits(rate=1, burst=60, turns=0))
    live_world.gate.quota(refused_quota)
    # Redis removes a bucket by its own clock once it would be full: here after a minute.
    spend_until_refused(live_world, rate=1, burst=60)
    before = live_world.client.info("persistence")["rdb_changes_since_last_save"]
    for _ in range(500):
        assert spend(live_world, rate=1, burst=60).outcome is Outcome.RATE_LIMITED
    after = live_world.client.info("persistence")["rdb_changes_since_last_save"]
    assert after == before


def test_taking_a_token_returns_the_quota_behind_an_empty_bucket_alone(
    world: World, hand: Hand
) -> None:
    poor = principal(limits(rate=1, burst=1))
    world.record(poor, turn("turn_a", 1, "rel_a"))
    hand.us += SECOND_US
    before = {name: world.client.dump(name) for name in KEYS.for_script[1:]}

    entered, refused = world.gate.enter(poor), world.gate.enter(poor)

    assert (entered.outcome, entered.quota) == (Outcome.ADMITTED, None)
    assert entered.account_now_us == hand.us
    assert entered.bucket == world.gate.admit(poor, tokens=0).bucket
    assert refused.outcome is Outcome.RATE_LIMITED
    assert refused.quota is not None
    assert (refused.quota.turns_used, refused.quota.relationships_used) == (1, 1)
    assert {name: world.client.dump(name) for name in KEYS.for_script[1:]} == before


@pytest.mark.parametrize("lost", KEYS.for_script[1:])
def test_taking_a_token_returns_the_accounts_instant_whatever_is_lost(
    world: World, hand: Hand, lost: str
) -> None:
    poor = principal(limits(rate=1, burst=1))
    (charged,) = world.record(poor, turn("turn_a", 1, "rel_a")).items
    world.client.delete(lost)
    hand.us -= SECOND_US // 2

    instants_us = {world.gate.enter(poor).account_now_us for _ in range(3)}

    assert instants_us == {None if lost == KEYS.quota else charged.recorded_at_us + 1}


@pytest.mark.parametrize("field", ["generation", "turns_used", "reservations", "clock_at"])
@pytest.mark.parametrize("value", [None, "x", ""])
def test_taking_a_token_returns_no_counters_of_a_damaged_quota(
    world: World, hand: Hand, field: str, value: str | None
) -> None:
    poor = principal(limits(rate=1, burst=1))
    world.record(poor, turn("turn_a", 1, "rel_a"))
    if value is None:
        world.client.hdel(KEYS.quota, field)
    else:
        world.client.hset(KEYS.quota, field, value)

    refused = world.gate.enter(poor)

    assert (refused.outcome, refused.quota) == (Outcome.RATE_LIMITED, None)
    assert world.gate.quota(poor).turns_used == 1


def test_taking_a_token_meets_the_right_period(world: World, hand: Hand) -> None:
    poor = principal(limits(rate=1, burst=1))
    world.gate.enter(poor)
    hand.us += 40 * 24 * HOUR_US

    entered = world.gate.enter(poor)

    assert entered.outcome is Outcome.ADMITTED
    assert entered.period is not None
    assert entered.period.start_us <= hand.us < entered.period.end_us
