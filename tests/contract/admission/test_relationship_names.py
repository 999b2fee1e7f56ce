"""Long relationship ids have short names in Redis; what an earlier release counted stays one."""

import pytest
from redis import Redis

from app.admission.decision import Verdict
from app.admission.policy import UNLIMITED, BucketPolicy, QuotaPolicy
from tests.contract.admission.reserving import HOLD_US
from tests.unit.admission.world import (
    KEYS,
    PERIOD,
    RELATIONSHIPS,
    World,
    limits,
    principal,
    turn,
)

LONG = f"rel_{'x' * 124}"
SHORT, EARLIER = RELATIONSHIPS.of(KEYS.account, LONG)
WHO = principal(limits(relationships=1))
MOST_BYTES_EACH = 120


def store_as_earlier(world: World, references: int = 1) -> None:
    """Count the long id under itself, as an earlier release did."""
    world.client.hset(KEYS.relationships, LONG, references)
    world.client.hincrby(KEYS.quota, "relationships_used", 1)


def test_ids_up_to_32_characters_are_kept_and_longer_ones_hashed() -> None:
    assert RELATIONSHIPS.of(KEYS.account, "r" * 32) == ("r" * 32, "")
    assert (len(SHORT), SHORT[0], EARLIER) == (23, "~", LONG)
    assert RELATIONSHIPS.of("org_other:live", LONG)[0] != SHORT


def test_a_long_id_is_counted_once_under_its_short_name(world: World) -> None:
    for name in ("turn_a", "turn_b"):
        world.record(WHO, turn(name, 1, LONG))
    assert world.references() == {SHORT: 2}
    assert world.gate.quota(WHO).relationships_used == 1
    assert world.gate.admit(WHO, [turn("turn_b", 1, LONG)]).items[0].verdict is Verdict.REPLAYED


def test_a_relationship_of_an_earlier_release_stays_one(world: World) -> None:
    world.record(WHO, turn("turn_0", 1))
    store_as_earlier(world)
    charged = world.record(WHO, turn("turn_a", 1, LONG))
    assert charged.items[0].relationship_counted is False
    assert world.references() == {LONG: 2}
    world.gate.refund(WHO, charged, charged.items)
    assert world.references() == {LONG: 1}


@pytest.mark.parametrize("is_earlier_hold", [False, True])
def test_a_hold_is_completed_and_repeated_under_either_name(
    world: World, *, is_earlier_hold: bool
) -> None:
    held = turn("turn_a", 1, LONG)
    reserved = world.gate.reserve(WHO, held, HOLD_US)
    if is_earlier_hold:
        (entry,) = world.client.hvals(KEYS.turns)
        world.client.hset(KEYS.turns, "turn_a", entry.replace(SHORT, LONG))
        world.client.delete(KEYS.relationships)
        world.client.hset(KEYS.relationships, LONG, 1)
    else:  # a process of the earlier release has counted it as well
        store_as_earlier(world)
    again = world.gate.reserve(WHO, held, HOLD_US)
    assert again.items[0].verdict is Verdict.REPLAYED
    completed = world.gate.complete(WHO, held, reserved.items[0].recorded_at_us)
    repeated = world.gate.admit(WHO, [held])
    assert completed.items[0].verdict is Verdict.CHARGED
    assert repeated.items[0].verdict is Verdict.REPLAYED
    world.store(WHO, completed, [held])
    world.reconcile()
    assert world.references() == {LONG: 1}
    assert world.gate.quota(WHO).relationships_used == 1


def test_a_completed_hold_is_refunded_under_the_name_that_it_held(world: World) -> None:
    held = turn("turn_a", 1, LONG)
    reserved = world.gate.reserve(WHO, held, HOLD_US)
    store_as_earlier(world)
    completed = world.gate.complete(WHO, held, reserved.items[0].recorded_at_us)
    assert world.references() == {SHORT: 1, LONG: 1}
    world.gate.refund(WHO, completed, completed.items)
    assert world.references() == {LONG: 1}


def test_reconciliation_removes_the_second_name_of_a_relationship(world: World) -> None:
    world.record(WHO, turn("turn_a", 1, LONG))
    store_as_earlier(world)
    assert world.gate.quota(WHO).relationships_used == 2
    world.reconcile()
    assert world.references() == {LONG: 1}
    assert world.gate.quota(WHO).relationships_used == 1


def test_seeding_counts_long_ids_by_their_short_names(world: World) -> None:
    world.record(WHO, turn("turn_a", 1, LONG))
    world.client.flushdb()
    assert world.gate.quota(WHO).relationships_used == 1
    assert world.references() == {SHORT: 1}


def test_overage_does_not_lift_the_bound_on_relationships(world: World) -> None:
    world.record(WHO, turn("turn_0", 1))
    bound = QuotaPolicy(PERIOD, UNLIMITED, 2, overage_allowed=True, uncharged_limit=0)
    bucket = BucketPolicy.of(WHO.limits)
    turns = [turn(f"turn_{name}", 1, f"rel_{name}") for name in "abc"]
    reply = world.script.admit(KEYS, bucket, bound, turns)
    assert reply.results[3::3] == (
        Verdict.CHARGED,
        Verdict.CHARGED,
        Verdict.RELATIONSHIPS_EXHAUSTED,
    )


def test_a_hold_that_expires_makes_room_under_overage(world: World) -> None:
    """Return the hold's expiry, also while more turns are used than the plan has."""
    bound = QuotaPolicy(PERIOD, 1, 2, overage_allowed=True, uncharged_limit=0)
    bucket = BucketPolicy.of(WHO.limits)
    world.record(WHO, turn("turn_0", 5))
    for name in "ab":
        held = turn(f"turn_{name}", 1, f"rel_{name}")
        reply = world.script.reserve(KEYS, bucket, bound, held, hold_us=HOLD_US, most_open=9)
    refused = world.script.admit(KEYS, bucket, bound, [turn("turn_c", 1, "rel_c")])
    assert refused.results[3:5] == (Verdict.RELATIONSHIPS_EXHAUSTED, reply.results[6])


def test_a_relationship_takes_at_most_120_bytes(live_redis: Redis) -> None:
    world, count = World(live_redis), 2_000
    turns = [turn(f"turn_{n:04}", 1, f"rel_{n:04}_{'x' * 119}") for n in range(count)]
    who = principal(limits(relationships=count))
    for start in range(0, count, 100):
        world.record(who, *turns[start : start + 100])
    assert live_redis.memory_usage(KEYS.relationships, samples=0) / count <= MOST_BYTES_EACH
    assert world.gate.quota(who).relationships_used == count


def test_reconciliation_leaves_both_names_while_a_hold_has_one(world: World) -> None:
    world.record(WHO, turn("turn_a", 1, LONG))
    world.gate.reserve(WHO, turn("turn_b", 1, LONG), HOLD_US)
    (held,) = (entry for entry in world.client.hvals(KEYS.turns) if entry.startswith("reserved"))
    world.client.hset(KEYS.turns, "turn_b", held.replace(SHORT, LONG))
    store_as_earlier(world)
    world.reconcile()
    assert world.references() == {SHORT: 2, LONG: 1}


def test_reconciliation_leaves_the_slots_of_erased_relationships(world: World) -> None:
    world.record(WHO, turn("turn_a", 1, "rel_a"))
    world.client.hset(KEYS.relationships, "!k3v9", 1)
    world.client.hincrby(KEYS.quota, "relationships_used", 1)
    world.reconcile()
    assert world.references() == {"rel_a": 1, "!k3v9": 1}
