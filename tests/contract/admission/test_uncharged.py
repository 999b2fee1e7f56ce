"""Turns that cost nothing: counted, bounded by a ceiling of their own, and never lost."""

import pytest

from app.admission.decision import Decision, Outcome, Verdict
from app.tenancy.model import Limits, OveragePolicy
from tests.contract.admission.reserving import HOLD_US
from tests.unit.admission.world import (
    KEYS,
    NOON_US,
    SECOND_US,
    Hand,
    World,
    limits,
    principal,
    turn,
)

UNCHARGED = [turn(f"turn_{name}", 0) for name in "abcdefgh"]
A, B, C = UNCHARGED[:3]
CACHED_FOR_US = 300 * SECOND_US


def record(world: World, in_force: Limits, *names: str) -> list[Verdict]:
    """Charge and store uncharged turns; return the verdicts."""
    decision = world.record(principal(in_force), *(turn(name, 0) for name in names))
    return [item.verdict for item in decision.items]


def uncharged_used(world: World, in_force: Limits | None = None) -> int:
    return world.gate.quota(principal(in_force)).uncharged_used


def recorded_at_us(decision: Decision) -> int:
    return decision.items[0].recorded_at_us


@pytest.mark.parametrize("overage", list(OveragePolicy))
def test_the_ceiling_refuses_under_both_overage_policies(
    world: World, overage: OveragePolicy
) -> None:
    in_force = limits(turns=9, uncharged=2, overage=overage)
    assert record(world, in_force, "turn_a", "turn_b") == [Verdict.CHARGED] * 2

    refused = world.gate.admit(principal(in_force), [C])

    assert refused.outcome is Outcome.QUOTA_EXHAUSTED
    (item,) = refused.items
    assert (item.verdict, item.fits_at_us) == (Verdict.UNCHARGED_EXHAUSTED, 0)
    assert refused.quota is not None
    assert (refused.quota.uncharged_used, refused.quota.uncharged_limit) == (2, 2)
    charged = world.gate.admit(principal(in_force), [turn("turn_x", 1)])
    assert charged.outcome is Outcome.ADMITTED


def test_a_batch_is_cut_at_the_ceiling(world: World) -> None:
    in_force = limits(uncharged=3)
    assert record(world, in_force, "turn_a", "turn_b", "turn_c", "turn_d") == [
        *[Verdict.CHARGED] * 3,
        Verdict.UNCHARGED_EXHAUSTED,
    ]
    assert uncharged_used(world, in_force) == 3


def test_the_same_turn_counts_once_also_at_the_ceiling(world: World) -> None:
    in_force = limits(uncharged=1)
    first = world.record(principal(in_force), A)
    again = [world.record(principal(in_force), A).items[0] for _ in range(50)]
    assert {item.verdict for item in again} == {Verdict.REPLAYED}
    assert {item.recorded_at_us for item in again} == {recorded_at_us(first)}
    assert uncharged_used(world, in_force) == 1


def test_a_turn_that_was_counted_twice_is_refunded(world: World, hand: Hand) -> None:
    world.record(principal(), A)
    hand.us += CACHED_FOR_US
    world.record(principal(), A)  # the replay cache has dropped it: counted again, and refunded
    assert uncharged_used(world) == 1


def test_a_refund_makes_room(world: World) -> None:
    who = principal(limits(uncharged=1))
    decision = world.gate.admit(who, [A])
    world.gate.refund(who, decision, decision.items)
    assert uncharged_used(world) == 0
    assert record(world, limits(uncharged=1), "turn_b") == [Verdict.CHARGED]


def test_a_refund_of_a_charge_before_the_watermark_is_no_drift(world: World) -> None:
    who = principal()
    world.record(who, A)
    in_flight = world.gate.admit(who, [B])
    watermark_at_us = world.script.set_watermark(KEYS, 0)
    assert watermark_at_us is not None
    world.gate.refund(who, in_flight, in_flight.items)
    counted = world.ledger.count_turns(who.account, KEYS.quota_period, watermark_at_us)
    assert world.script.reconcile(KEYS, watermark_at_us, counted).results == (0, 0)
    assert uncharged_used(world) == 1


def test_a_completion_counts_and_is_never_refused(world: World) -> None:
    in_force = limits(uncharged=0)
    who = principal(in_force)
    held = world.gate.reserve(who, turn("turn_a"), HOLD_US)
    completed = world.gate.complete(who, A, recorded_at_us(held))
    without_hold = world.gate.complete(who, B, NOON_US)
    assert completed.items[0].verdict is without_hold.items[0].verdict is Verdict.CHARGED
    assert uncharged_used(world, in_force) == 2
    assert world.gate.quota(who).turns_reserved == 0


def test_a_reserved_turn_is_recorded_by_its_hold(world: World) -> None:
    who = principal(limits(uncharged=0))
    world.gate.reserve(who, turn("turn_a"), HOLD_US)
    assert world.gate.admit(who, [A]).items[0].verdict is Verdict.CHARGED
    assert world.gate.admit(who, [B]).items[0].verdict is Verdict.UNCHARGED_EXHAUSTED


def test_a_smaller_ceiling_refuses_and_resets_nothing(world: World) -> None:
    record(world, limits(uncharged=5), "turn_a", "turn_b", "turn_c")
    assert record(world, limits(uncharged=2), "turn_d") == [Verdict.UNCHARGED_EXHAUSTED]
    assert record(world, limits(uncharged=4), "turn_d") == [Verdict.CHARGED]
    assert world.client.hmget(KEYS.quota, "uncharged_used", "uncharged_limit") == ["4", "4"]


def test_the_ceiling_survives_the_loss_of_redis(world: World) -> None:
    in_force = limits(uncharged=2)
    record(world, in_force, "turn_a", "turn_b")
    world.client.flushdb()
    assert record(world, in_force, "turn_c") == [Verdict.UNCHARGED_EXHAUSTED]
    assert uncharged_used(world, in_force) == 2


def test_reconciliation_corrects_in_both_directions(world: World) -> None:
    who = principal()
    world.record(who, A, B)
    world.gate.admit(who, [C])  # its request died before it was stored
    world.ledger.insert(who.account, KEYS.quota_period, NOON_US, UNCHARGED[3])  # without Redis
    world.ledger.insert(who.account, KEYS.quota_period, NOON_US, UNCHARGED[4])
    (result,) = world.reconciler.reconcile(world.reconciler.list_accounts(), wait=lambda _: None)
    assert (result.uncharged_used, result.uncharged_drift) == (4, 1)
    assert (result.turns_used, result.turns_drift) == (0, 0)
    assert uncharged_used(world) == 4


def test_what_is_counted_while_the_ledger_is_compared_stays(world: World) -> None:
    who = principal()
    world.record(who, A)
    watermark_at_us = world.script.set_watermark(KEYS, 0)
    assert watermark_at_us is not None
    world.record(who, B)
    counted = world.ledger.count_turns(who.account, KEYS.quota_period, watermark_at_us)
    world.script.reconcile(KEYS, watermark_at_us, counted)
    assert uncharged_used(world) == 2


@pytest.mark.parametrize("value", [None, "damaged"])
def test_fields_that_an_earlier_release_did_not_write_read_as_0_and_cost_no_reservation(
    world: World, value: str | None
) -> None:
    who = principal(limits(uncharged=9))
    held = world.gate.reserve(who, turn("turn_x", 1, "rel_x"), HOLD_US)
    world.record(who, A, B)
    for field in ("uncharged_used", "uncharged_limit", "mark_uncharged"):
        world.client.hdel(KEYS.quota, field)
        if value is not None:
            world.client.hset(KEYS.quota, field, value)
    counts_before = world.ledger.counts_count

    after = world.gate.admit(who, [C])

    assert (after.generation, world.ledger.counts_count) == (held.generation, counts_before)
    assert after.quota is not None
    assert (after.quota.turns_reserved, after.quota.uncharged_used) == (1, 1)
    world.store(who, after, [C])
    world.reconcile()
    assert uncharged_used(world) == 3
    completed = world.gate.complete(who, turn("turn_x", 1, "rel_x"), recorded_at_us(held))
    assert completed.items[0].verdict is Verdict.CHARGED
    assert world.gate.quota(who).turns_reserved == 0


def test_nothing_more_is_reserved_once_completions_have_exceeded_the_ceiling(world: World) -> None:
    who = principal(limits(turns=99, uncharged=1))
    held = [world.gate.reserve(who, turn(f"turn_{name}"), HOLD_US) for name in "abc"]
    for name, decision in zip("abc", held, strict=True):
        completed = world.gate.complete(who, turn(f"turn_{name}", 0), recorded_at_us(decision))
        assert completed.items[0].verdict is Verdict.CHARGED

    refused = world.gate.reserve(who, turn("turn_d"), HOLD_US)

    assert refused.outcome is Outcome.QUOTA_EXHAUSTED
    (item,) = refused.items
    assert (item.verdict, item.fits_at_us) == (Verdict.UNCHARGED_EXHAUSTED, 0)
    assert world.gate.admit(who, [turn("turn_d")]).items[0].verdict is Verdict.CHARGED


def test_a_ceiling_that_is_only_reached_refuses_no_reservation(world: World) -> None:
    who = principal(limits(turns=99, uncharged=0))
    assert world.gate.reserve(who, turn("turn_a"), HOLD_US).items[0].verdict is Verdict.CHARGED


def test_an_uncharged_turn_that_was_never_stored_gives_way_to_one_with_a_cost(world: World) -> None:
    who = principal(limits(turns=9, uncharged=9))
    world.gate.admit(who, [A])  # the outcome of its insert is unknown
    recorded = world.record(who, turn("turn_a", 1))
    assert recorded.items[0].verdict is Verdict.CHARGED
    world.gate.admit(who, [B])
    assert world.gate.reserve(who, turn("turn_b"), HOLD_US).items[0].verdict is Verdict.CHARGED
    world.reconcile()
    quota = world.gate.quota(who)
    assert (quota.turns_used, quota.uncharged_used, quota.turns_reserved) == (1, 0, 1)


def test_sending_stored_turns_again_with_a_cost_makes_no_room(world: World) -> None:
    in_force = limits(turns=9, uncharged=2)
    assert record(world, in_force, "turn_a", "turn_b") == [Verdict.CHARGED] * 2
    for name in ("turn_a", "turn_b"):
        world.record(principal(in_force), turn(name, 1))  # stored with another cost: refunded
    assert record(world, in_force, "turn_c") == [Verdict.UNCHARGED_EXHAUSTED]
    quota = world.gate.quota(principal(in_force))
    assert (quota.turns_used, quota.uncharged_used) == (0, 2)


def test_a_refused_turn_with_a_cost_leaves_the_same_turn_without_cost_known(world: World) -> None:
    in_force = limits(turns=0, uncharged=3)
    first = world.record(principal(in_force), A)

    refused = world.gate.admit(principal(in_force), [turn("turn_a", 1)])
    again = world.gate.admit(principal(in_force), [A])

    assert refused.outcome is Outcome.QUOTA_EXHAUSTED
    assert again.items[0].verdict is Verdict.REPLAYED
    assert recorded_at_us(again) == recorded_at_us(first)
    assert uncharged_used(world, in_force) == 1
