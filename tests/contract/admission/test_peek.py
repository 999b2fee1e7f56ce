"""Peeking reads what the script would say, for many accounts, and changes nothing."""

from fractions import Fraction
from typing import Any

import pytest
from redis import Redis

from app.admission.clock import LedgerClock
from app.admission.decision import QuotaState
from app.admission.peek import Account, Peek
from app.http.instants import datetime_of_us
from app.tenancy.model import Environment, Limits, Organization
from tests.unit.admission.world import (
    KEYS,
    NOON_US,
    ORGANIZATION,
    SECOND_US,
    SIGNED_UP_ON,
    Hand,
    World,
    limits,
    principal,
    turn,
)

OURS = limits(rate=7, burst=20, turns=100, relationships=10, uncharged=5)


class Still:
    """A Redis clock that stands where the hand does."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand

    def time(self) -> tuple[int, int]:
        return divmod(self._hand.us, 1_000_000)


@pytest.fixture
def peek(world: World, hand: Hand) -> Peek:
    clock: Any = Still(hand)
    return Peek(world.client, LedgerClock(clock))


def organization(in_force: Limits = OURS, organization_id: str = ORGANIZATION) -> Organization:
    return Organization(
        id=organization_id,
        name="Acme",
        plan="free",
        limits=in_force,
        signed_up_on=SIGNED_UP_ON,
        created_at=datetime_of_us(NOON_US),
    )


def quota_of(peek: Peek, environment: Environment = Environment.LIVE) -> QuotaState | None:
    (found,) = peek.quotas([Account(organization(), environment)])
    return found


def test_counters_are_those_of_the_script(world: World, peek: Peek) -> None:
    who = principal(OURS)
    world.gate.admit(who, [turn("a", 3, "rel_1"), turn("b", 0), turn("c", 1, "rel_2")])
    world.gate.reserve(who, turn("d"), 60 * SECOND_US)

    assert quota_of(peek) == world.gate.quota(who)


def test_an_account_without_counters_is_not_loaded_and_stays_so(
    world: World, peek: Peek, redis_client: Redis
) -> None:
    world.gate.admit(principal(OURS), [turn("a")])
    before = sorted(redis_client.keys())

    assert quota_of(peek, Environment.TEST) is None
    assert sorted(redis_client.keys()) == before


def test_counters_of_another_period_are_not_those_of_this_one(
    world: World, peek: Peek, hand: Hand
) -> None:
    world.gate.admit(principal(OURS), [turn("a")])
    hand.us += 30 * 24 * 3_600 * SECOND_US

    assert quota_of(peek) is None


@pytest.mark.parametrize("damage", ["no hash", "no number"])
def test_damaged_counters_of_one_account_leave_the_others_readable(
    world: World, peek: Peek, redis_client: Redis, damage: str
) -> None:
    world.gate.admit(principal(OURS), [turn("a")])
    damaged = KEYS.quota.replace(ORGANIZATION, "org_2")
    if damage == "no hash":
        redis_client.set(damaged, "text")
    else:
        redis_client.hset(damaged, mapping=dict.fromkeys(redis_client.hgetall(KEYS.quota), "x"))
    other = organization(organization_id="org_2")

    found = peek.quotas([Account(each, Environment.LIVE) for each in (other, organization())])

    assert found[0] is None
    assert found[1] is not None


@pytest.mark.parametrize("wait_us", [0, 1, 100_000, 142_857, 142_858, 2 * SECOND_US])
@pytest.mark.parametrize("spent", [0, 1, 19, 20])
def test_a_bucket_is_as_full_as_the_script_says(
    world: World, peek: Peek, hand: Hand, spent: int, wait_us: int
) -> None:
    who = principal(OURS)
    for _ in range(spent):
        world.gate.admit(who)
    hand.us += wait_us

    (bucket,) = peek.buckets([organization()])

    seen = world.gate.admit(who).bucket
    assert bucket.rate == seen.rate == Fraction(7)
    if seen.retry_after_us:
        assert (bucket.remaining, bucket.retry_after_us) == (0, seen.retry_after_us)
        assert bucket.reset_at_us == seen.reset_at_us
    else:
        assert (bucket.remaining, bucket.retry_after_us) == (seen.remaining + 1, 0)


def test_peeking_takes_no_token(world: World, peek: Peek, redis_client: Redis) -> None:
    world.gate.admit(principal(OURS))
    before = redis_client.hgetall(KEYS.bucket)

    peek.buckets([organization()] * 3)

    assert redis_client.hgetall(KEYS.bucket) == before


def test_a_damaged_bucket_counts_as_full(peek: Peek, redis_client: Redis) -> None:
    redis_client.set(KEYS.bucket, "text")

    (bucket,) = peek.buckets([organization()])

    assert bucket.remaining == OURS.burst
