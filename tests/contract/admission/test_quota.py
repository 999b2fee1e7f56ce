"""The quota: what a charge counts, what refuses it, and that it counts once."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from app.admission.decision import Decision, Outcome, TurnCharge, Verdict
from app.tenancy.model import Environment, Limits, OveragePolicy
from app.tenancy.periods import period_at
from tests.unit.admission.world import (
    KEYS,
    NOON_US,
    PERIOD,
    SECOND_US,
    Hand,
    World,
    limits,
    principal,
    turn,
)

CACHED_FOR_US = 300 * SECOND_US
A, B, C = (turn(f"turn_{name}", 1, f"rel_{name}") for name in "abc")


def admit(world: World, in_force: Limits, *turns: TurnCharge) -> Decision:
    return world.gate.admit(principal(in_force), turns)


def verdicts(decision: Decision) -> list[Verdict]:
    return [item.verdict for item in decision.items]


def used(decision: Decision) -> tuple[int, int]:
    assert decision.quota is not None
    return decision.quota.turns_used, decision.quota.relationships_used


def test_charge_counts_turns_and_each_relationship_once(world: World) -> None:
    decision = admit(world, limits(), A, B, turn("turn_d", 3, "rel_a"), turn("turn_e", 5))
    assert used(decision) == (10, 2)
    assert [item.relationship_counted for item in decision.items] == [True, True, False, False]
    assert world.references() == {"rel_a": 2, "rel_b": 1}


def test_instants_of_charges_strictly_rise_and_now_is_behind_none(world: World, hand: Hand) -> None:
    seen: list[int] = []
    for step_us in (0, 1, SECOND_US, -2 * SECOND_US, 0, 1):
        hand.us += step_us
        free = turn(f"free_{len(seen)}", 0)
        decision = admit(world, limits(), turn(f"turn_{len(seen)}"), free)
        seen += [item.recorded_at_us for item in decision.items]
        looked, entered = admit(world, limits()), world.gate.enter(principal())
        assert (
            looked.account_now_us
            == entered.account_now_us
            == decision.account_now_us
            == max(hand.us, seen[-1] + 1)
        )
    assert seen == sorted(set(seen))


def test_an_uncharged_turn_uses_no_turns(world: World) -> None:
    decision = admit(world, limits(turns=0, uncharged=1), turn("turn_a", 0))
    assert (decision.outcome, used(decision)) == (Outcome.ADMITTED, (0, 0))
    assert [(item.verdict, item.recorded_at_us) for item in decision.items] == [
        (Verdict.CHARGED, NOON_US + 1)
    ]


def test_same_turn_is_the_same_charge_also_at_the_last_turn_of_the_quota(world: World) -> None:
    first = admit(world, limits(turns=1, relationships=1), A)
    again = admit(world, limits(turns=1, relationships=1), A, A)
    assert verdicts(again) == [Verdict.REPLAYED] * 2
    assert {replace(item, verdict=Verdict.CHARGED) for item in again.items} == set(first.items)
    assert used(again) == (1, 1)


def test_same_turn_twice_in_one_call_is_charged_once(world: World) -> None:
    decision = admit(world, limits(), A, A)
    assert verdicts(decision) == [Verdict.CHARGED, Verdict.REPLAYED]
    assert used(decision) == (1, 1)


@pytest.mark.parametrize("other", [turn("turn_a", 2, "rel_a"), turn("turn_a", 1, "rel_b")])
def test_same_turn_at_another_price_is_a_conflict_and_not_charged(
    world: World, other: TurnCharge
) -> None:
    admit(world, limits(), A)
    decision = admit(world, limits(), other)
    assert (decision.outcome, verdicts(decision)) == (Outcome.ADMITTED, [Verdict.CONFLICT])
    assert used(decision) == (1, 1)


def test_charge_is_in_the_replay_cache_for_five_minutes(world: World, hand: Hand) -> None:
    admit(world, limits(), A)
    hand.us += CACHED_FOR_US - 1
    assert verdicts(admit(world, limits(), A)) == [Verdict.REPLAYED]
    hand.us += 1
    assert verdicts(admit(world, limits(), A)) == [Verdict.CHARGED]


def test_each_call_clears_a_bounded_number_of_expired_entries(world: World, hand: Hand) -> None:
    for first in range(0, 2_500, 500):
        admit(world, limits(), *(turn(f"turn_{first + number}") for number in range(500)))
    hand.us += CACHED_FOR_US
    counts = []
    for _ in range(4):
        admit(world, limits())
        counts.append(int(world.client.hget(KEYS.quota, "remembered")))
    assert counts == [1_500, 500, 0, 0]


@pytest.mark.parametrize(
    ("in_force", "expected", "counted"),
    [
        (limits(turns=2), [Verdict.CHARGED, Verdict.CHARGED, Verdict.TURNS_EXHAUSTED], (2, 2)),
        (
            limits(relationships=1),
            [Verdict.CHARGED] + [Verdict.RELATIONSHIPS_EXHAUSTED] * 2,
            (1, 1),
        ),
        (limits(turns=0, relationships=0), [Verdict.TURNS_EXHAUSTED] * 3, (0, 0)),
        (
            limits(turns=1, relationships=1, overage=OveragePolicy.ALLOW),
            [Verdict.CHARGED] * 3,
            (3, 3),
        ),
        (limits(), [Verdict.CHARGED] * 3, (3, 3)),
    ],
)
def test_ceilings(
    world: World, in_force: Limits, expected: list[Verdict], counted: tuple[int, int]
) -> None:
    decision = admit(world, in_force, A, B, C)
    assert (verdicts(decision), used(decision)) == (expected, counted)
    assert decision.outcome is Outcome.ADMITTED


def test_known_relationship_passes_a_spent_ceiling(world: World) -> None:
    admit(world, limits(relationships=1), A)
    assert verdicts(admit(world, limits(relationships=1), turn("turn_x", 1, "rel_a"))) == [
        Verdict.CHARGED
    ]


def test_greater_and_smaller_plan_act_on_the_next_call_and_reset_nothing(world: World) -> None:
    admit(world, limits(turns=2), A, B)
    assert verdicts(admit(world, limits(turns=3), C)) == [Verdict.CHARGED]
    smaller = admit(world, limits(turns=1), turn("turn_d"))
    assert (verdicts(smaller), used(smaller)) == ([Verdict.TURNS_EXHAUSTED], (3, 3))
    assert verdicts(admit(world, limits(turns=4), turn("turn_d"))) == [Verdict.CHARGED]


@pytest.mark.parametrize(
    ("is_bucket_spent", "is_quota_spent", "outcome"),
    [
        (False, False, Outcome.ADMITTED),
        (True, False, Outcome.RATE_LIMITED),
        (False, True, Outcome.QUOTA_EXHAUSTED),
        (True, True, Outcome.QUOTA_EXHAUSTED),
    ],
)
def test_bucket_and_quota_are_decided_together(
    world: World, *, is_bucket_spent: bool, is_quota_spent: bool, outcome: Outcome
) -> None:
    in_force = limits(rate=1, burst=2, turns=0 if is_quota_spent else None)
    world.gate.quota(principal(in_force))
    for _ in range(2 * is_bucket_spent):
        admit(world, in_force)
    decision = admit(world, in_force, A)
    assert decision.outcome is outcome
    assert decision.is_bucket_empty is is_bucket_spent
    assert used(decision)[0] == int(outcome is Outcome.ADMITTED)
    assert decision.bucket.remaining == int(not is_bucket_spent)
    assert decision.bucket.retry_after_us == SECOND_US * is_bucket_spent


def test_several_turns_go_by_the_bucket_alone(world: World) -> None:
    in_force = limits(rate=1, burst=1, turns=0)
    assert admit(world, in_force, A, B).outcome is Outcome.ADMITTED
    refused = admit(world, in_force, A, B)
    assert (refused.outcome, refused.items) == (Outcome.RATE_LIMITED, ())


def test_refund_takes_back_turns_and_relationship_once(world: World) -> None:
    who = principal(limits(turns=1, relationships=1))
    decision = world.gate.admit(who, [A])
    for _ in range(3):
        world.gate.refund(who, decision, [decision.items[0]])
    assert (world.gate.quota(who).turns_used, world.references()) == (0, {})
    assert verdicts(world.gate.admit(who, [B])) == [Verdict.CHARGED]


def test_refund_keeps_a_relationship_that_others_hold(world: World) -> None:
    who = principal()
    other = world.gate.admit(who, [turn("turn_x", 1, "rel_a")])
    decision = world.gate.admit(who, [A, B])
    world.gate.refund(who, decision, [decision.items[0]])
    assert world.references() == {"rel_a": 1, "rel_b": 1}
    world.gate.refund(who, other, [other.items[0]])
    assert world.references() == {"rel_b": 1}


def test_refund_of_an_expired_or_older_charge_does_nothing(world: World, hand: Hand) -> None:
    who = principal()
    charged = world.gate.admit(who, [A])
    hand.us += CACHED_FOR_US
    again = world.gate.admit(who, [A])
    world.gate.refund(who, charged, [charged.items[0]])
    assert world.gate.quota(who).turns_used == 2
    world.client.delete(KEYS.quota)
    world.gate.admit(who, [A])
    world.gate.refund(who, again, [again.items[0]])
    assert world.gate.quota(who).turns_used == 1


def test_refund_of_another_generation_does_nothing(world: World) -> None:
    decision = world.gate.admit(principal(), [A])
    assert world.script.refund(KEYS, decision.generation - 1, decision.items).results == (0,)
    assert world.script.refund(KEYS, decision.generation, decision.items).results == (1,)


def test_refund_goes_to_the_period_that_was_charged(world: World, hand: Hand) -> None:
    who = principal()
    hand.us = PERIOD.end_us - 1
    charged = world.gate.admit(who, [A])
    hand.us += 1
    assert world.gate.admit(who, [A]).quota_period == "2026-12-05"
    world.gate.refund(who, charged, [charged.items[0]])
    assert world.gate.quota(who).turns_used == 1
    assert world.client.hget(KEYS.quota, "turns_used") == "0"


@pytest.mark.parametrize("turns", [(), (A,)])
def test_call_at_a_period_edge_meets_the_right_period_and_pays_once(
    world: World, hand: Hand, turns: tuple[TurnCharge, ...]
) -> None:
    in_force = limits(rate=1, burst=10)
    hand.us = PERIOD.end_us - 1
    before = admit(world, in_force, *turns)
    hand.us = PERIOD.end_us
    after = admit(world, in_force, *turns)
    assert [before.quota_period, after.quota_period] == ["2026-11-05", "2026-12-05"]
    assert [before.bucket.remaining, after.bucket.remaining] == [9, 8]


@pytest.mark.parametrize("day", [28, 29, 30, 31])
def test_every_month_edge_is_met_over_thirteen_months(world: World, hand: Hand, day: int) -> None:
    signed_up_on = date(2027, 1, day)
    who = principal(signed_up_on=signed_up_on)
    edge_us = int(datetime(2027, 1, day, tzinfo=UTC).timestamp()) * SECOND_US
    for month in range(13):
        period = period_at(signed_up_on, edge_us)
        for instant_us in (period.start_us, period.end_us - 1):
            hand.us = instant_us
            decision = world.gate.admit(who, [turn(f"turn_{instant_us}")])
            assert (decision.period, used(decision)[0]) == (period, 1 + (instant_us > edge_us))
        assert period.start.month == 1 + month % 12
        edge_us = period.end_us


def test_environments_count_apart_and_share_the_bucket(world: World) -> None:
    in_force = limits(rate=1, burst=5)
    admit(world, in_force, A)
    test = world.gate.admit(principal(in_force, environment=Environment.TEST), [A])
    assert (used(test), test.bucket.remaining) == ((1, 1), 3)
