"""Reservations: what holds a place, for how long, and what ends it."""

from collections.abc import Callable

import pytest

from app.admission.decision import Decision, Outcome, Verdict
from app.tenancy.periods import Period, period_at
from tests.contract.admission.reserving import HOLD_US, A, counts, reserve, verdict
from tests.unit.admission.world import (
    HOUR_US,
    KEYS,
    PERIOD,
    SECOND_US,
    SIGNED_UP_ON,
    Hand,
    World,
    limits,
    principal,
    turn,
)


def test_unbilled_completion_without_reservation_beats_a_cancellation(world: World) -> None:
    who = principal()
    completed = world.gate.complete(who, turn("turn_a", 0), world.hand.us)
    assert verdict(completed) is Verdict.CHARGED
    assert verdict(world.gate.cancel(who, "turn_a", world.hand.us)) is Verdict.RECORDED


@pytest.mark.parametrize("end", ["complete", "record", "cancel"])
def test_relationship_moves_with_the_turn(world: World, end: str) -> None:
    who = principal(limits(turns=1, relationships=1))
    reserved = world.gate.reserve(who, A, HOLD_US)
    ends: dict[str, Callable[[], Decision]] = {
        "complete": lambda: world.gate.complete(who, A, world.hand.us),
        "record": lambda: world.gate.admit(who, [A]),
        "cancel": lambda: world.gate.cancel(who, "turn_a", world.hand.us),
    }
    decision = ends[end]()
    assert reserved.items[0].relationship_counted
    assert counts(decision) == (0 if end == "cancel" else 1, 0)
    assert decision.items[0].relationship_counted is (end != "cancel")
    assert world.references() == ({} if end == "cancel" else {"rel_a": 1})


def test_refund_of_a_completion_leaves_nothing(world: World) -> None:
    who = principal()
    world.gate.reserve(who, A, HOLD_US)
    decision = world.gate.complete(who, A, world.hand.us)
    world.gate.refund(who, decision, [decision.items[0]])
    assert (world.gate.quota(who).turns_used, world.references()) == (0, {})
    assert verdict(world.gate.reserve(who, A, HOLD_US)) is Verdict.CHARGED


def test_reservation_lies_in_the_period_that_was_charged(world: World, hand: Hand) -> None:
    """Hold also when instants were given out beyond its end, and the clock stepped back since."""
    hand.us = PERIOD.end_us - 1
    world.gate.reserve(principal(), A, HOLD_US)
    hand.us = PERIOD.end_us + HOUR_US
    world.gate.complete(principal(), A, PERIOD.end_us - 1)
    hand.us = PERIOD.end_us - SECOND_US

    decision = reserve(world, limits(), "turn_b")

    assert decision.period == PERIOD
    assert PERIOD.start_us <= decision.items[0].recorded_at_us < PERIOD.end_us
    again = reserve(world, limits(), "turn_b")
    assert again.items[0].recorded_at_us == decision.items[0].recorded_at_us


@pytest.mark.parametrize("back_us", [0, HOUR_US])
def test_late_completion_and_the_current_period_share_one_order(
    world: World, hand: Hand, back_us: int
) -> None:
    hand.us = PERIOD.end_us - 1
    world.gate.reserve(principal(), A, 3 * HOUR_US)
    hand.us = PERIOD.end_us + 2 * HOUR_US
    before = world.gate.admit(principal(), [turn("turn_b")])
    late = world.gate.complete(principal(), A, PERIOD.end_us - 1)
    hand.us -= back_us
    after = world.gate.enter(principal())

    assert after.account_now_us is not None
    assert late.quota_period == PERIOD.label
    assert before.items[0].recorded_at_us < late.items[0].recorded_at_us < after.account_now_us


@pytest.mark.parametrize("claimed_us", [PERIOD.start_us - 1, PERIOD.end_us - 1])
def test_a_completion_without_a_reservation_in_its_period_is_charged_to_the_current_one(
    world: World, hand: Hand, claimed_us: int
) -> None:
    hand.us = PERIOD.end_us - 1
    world.gate.reserve(principal(), A, HOLD_US)
    hand.us = PERIOD.end_us + HOLD_US  # the hold is over
    decision = world.gate.complete(principal(), A, claimed_us)
    assert decision.quota_period != PERIOD.label
    assert decision.quota is not None
    assert decision.quota.turns_used == 1


def test_cancelled_now_is_cancelled_whatever_period_is_claimed(world: World, hand: Hand) -> None:
    hand.us = PERIOD.end_us + HOUR_US
    world.gate.reserve(principal(), A, HOLD_US)
    world.gate.cancel(principal(), A.turn_key, hand.us)
    decision = world.gate.complete(principal(), A, PERIOD.end_us - 1)
    assert decision.items[0].verdict is Verdict.CANCELLED


def test_cancelling_again_renews_the_memory(world: World, hand: Hand) -> None:
    for _ in range(3):
        world.gate.cancel(principal(), A.turn_key, hand.us)
        hand.us += 200_000_000
    decision = world.gate.complete(principal(), A, hand.us)
    assert decision.items[0].verdict is Verdict.CANCELLED


def test_a_withdrawn_reservation_can_be_made_again(world: World, hand: Hand) -> None:
    world.gate.reserve(principal(), A, HOLD_US)
    world.gate.cancel(principal(), A.turn_key, hand.us, blocks_turn=False)
    assert world.references() == {}
    assert world.gate.reserve(principal(), A, HOLD_US).items[0].verdict is Verdict.CHARGED


def test_reconciling_takes_no_reservation_for_drift(world: World) -> None:
    who = principal()
    world.gate.reserve(who, A, HOLD_US)
    world.record(who, turn("turn_b", 1, "rel_b"))
    (result,) = world.reconciler.reconcile([KEYS], wait=lambda _: None)
    assert (result.turns_drift, result.relationships_drift) == (0, 0)
    assert world.references() == {"rel_a": 1, "rel_b": 1}


@pytest.mark.parametrize("end", ["complete", "cancel", "lapse", "expire and reserve"])
def test_reservation_that_ends_between_watermark_and_comparison(world: World, end: str) -> None:
    who = principal()
    world.gate.reserve(who, A, HOLD_US)

    def wait(_: float) -> None:
        if end == "complete":
            world.store(who, world.gate.complete(who, A, world.hand.us), [A])
        elif end == "cancel":
            world.gate.cancel(who, "turn_a", world.hand.us)
        else:
            world.hand.us += HOLD_US
        if end == "expire and reserve":
            world.gate.reserve(who, turn("turn_c", 1, "rel_a"), HOLD_US)

    world.reconciler.reconcile([KEYS], wait)
    kept = {"rel_a": 1} if end in {"complete", "expire and reserve"} else {}
    world.gate.quota(who)
    assert world.references() == kept
    world.reconcile()
    assert world.references() == kept


def test_reservation_made_between_watermark_and_comparison_stays(world: World) -> None:
    who = principal()
    lost = world.gate.admit(who, [turn("turn_lost", 1, "rel_a")])  # is never stored

    def wait(_: float) -> None:
        world.gate.refund(who, lost, [lost.items[0]])
        world.gate.reserve(who, A, HOLD_US)  # as many references as at the watermark

    (result,) = world.reconciler.reconcile([KEYS], wait)
    assert result.relationships_drift == 0
    assert world.references() == {"rel_a": 1}


def test_drift_beside_a_reservation_is_corrected_once_it_has_ended(
    world: World, hand: Hand
) -> None:
    who = principal()
    world.gate.reserve(who, A, HOLD_US)
    world.gate.admit(who, [turn("turn_lost", 1, "rel_a")])
    world.reconcile()
    assert world.references() == {"rel_a": 2}
    hand.us += HOLD_US
    world.reconcile()
    assert world.references() == {}


def test_a_turn_reserved_before_the_edge_is_the_same_reservation_after_it(
    world: World, hand: Hand
) -> None:
    hand.us = PERIOD.end_us - SECOND_US
    before = reserve(world, limits(), A.turn_key, A.relationship_id)
    assert before.hold is not None
    hand.us = PERIOD.end_us + SECOND_US

    after = reserve(world, limits(turns=0), A.turn_key, A.relationship_id)
    other = reserve(world, limits(), A.turn_key, "rel_b")

    assert (verdict(before), verdict(after)) == (Verdict.CHARGED, Verdict.REPLAYED)
    assert after.items[0].recorded_at_us == before.items[0].recorded_at_us
    assert after.hold is not None
    assert after.hold.expires_at_us == before.hold.expires_at_us
    assert (after.period, counts(after)) == (next_period(), (0, 0))
    assert verdict(other) is Verdict.CONFLICT
    settled = world.gate.complete(principal(), A, after.items[0].recorded_at_us)
    assert settled.quota_period == PERIOD.label


@pytest.mark.parametrize("end", ["lapse", "cancel", "complete"])
def test_a_reservation_that_ended_near_the_period_boundary_delays_no_request(
    world: World, hand: Hand, end: str
) -> None:
    hand.us = PERIOD.end_us - 1
    before = reserve(world, limits(), A.turn_key)
    reserved_at_us = before.items[0].recorded_at_us
    hand.us = PERIOD.end_us + 1
    if end == "lapse":
        hand.us = PERIOD.end_us - 1 + HOLD_US
    elif end == "cancel":
        world.gate.cancel(principal(), A.turn_key, reserved_at_us)
    else:
        world.gate.complete(principal(), turn(A.turn_key), reserved_at_us)

    after = reserve(world, limits(), A.turn_key)

    assert (verdict(after), counts(after)) == (Verdict.CHARGED, (0, 1))
    assert after.items[0].recorded_at_us == hand.us


def next_period() -> Period:
    return period_at(SIGNED_UP_ON, PERIOD.end_us)


@pytest.mark.parametrize(("passed_us", "held"), [(HOLD_US - 1, 1), (HOLD_US, 0)])
def test_behind_an_empty_bucket_an_expired_hold_does_not_count(
    world: World, hand: Hand, passed_us: int, held: int
) -> None:
    poor = limits(rate=1, burst=1)
    reserve(world, poor, "turn_a", "rel_a")
    hand.us += passed_us
    world.gate.enter(principal(poor))

    refused = world.gate.enter(principal(poor))

    assert refused.outcome is Outcome.RATE_LIMITED
    assert counts(refused) == (0, held)
    assert refused.quota is not None
    assert refused.quota.relationships_used == held
