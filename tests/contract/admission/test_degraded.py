"""Turns that were let through without Redis: not charged; the next reconciliation counts them."""

from app.admission.clock import LedgerClock
from app.admission.decision import Outcome, Verdict
from app.admission.seeding import Seeder
from app.tenancy.periods import period_at
from tests.unit.admission.verbs import GateVerbs
from tests.unit.admission.world import (
    HOUR_US,
    KEYS,
    PERIOD,
    SECOND_US,
    SIGNED_UP_ON,
    MemoryLedger,
    World,
    limits,
    principal,
    turn,
)

HOLD_US = 150 * SECOND_US

A, B = turn("turn_a", 2, "rel_a"), turn("turn_b", 1, "rel_b")


def test_a_turn_let_through_is_not_charged_and_reconciliation_counts_it(world: World) -> None:
    world.record(principal(), A)
    decision = world.gate.admit_locally(principal(), [B])
    assert (decision.outcome, decision.is_local) == (Outcome.DEGRADED, True)
    assert [item.verdict for item in decision.items] == [Verdict.CHARGED]
    assert decision.quota_period == PERIOD.label
    world.store(principal(), decision, [B])
    assert world.gate.quota(principal()).turns_used == 2
    world.hand.us += 1_000_000_000
    world.reconcile()
    state = world.gate.quota(principal())
    assert (state.turns_used, state.relationships_used) == (3, 2)
    assert world.references() == {"rel_a": 1, "rel_b": 1}


def test_without_redis_a_completion_counts_in_a_period_that_a_hold_may_reach_out_of(
    world: World,
) -> None:
    world.gate.admit(principal())
    world.hand.us = PERIOD.end_us + HOUR_US // 2
    world.gate.admit(principal())  # the gate learns the time
    periods = [
        world.gate.admit_locally(principal(), [A], reserved_at_us=reserved_at_us).quota_period
        for reserved_at_us in (PERIOD.end_us - 1, PERIOD.end_us - HOUR_US)
    ]
    assert periods == [PERIOD.label, period_at(SIGNED_UP_ON, PERIOD.end_us).label]


def test_nothing_is_refunded_that_was_not_charged(world: World) -> None:
    world.record(principal(), A)
    decision = world.gate.admit_locally(principal(), [A])
    assert world.gate.refund(principal(), decision, [decision.items[0]]) is None
    assert world.gate.quota(principal()).turns_used == 2


def test_a_local_refusal_lets_no_turn_through(world: World) -> None:
    who = principal(limits(rate=1, burst=1))
    assert world.gate.admit_locally(who, [A]).items
    refused = world.gate.admit_locally(who, [B])
    assert (refused.outcome, refused.items) == (Outcome.RATE_LIMITED, ())


def test_a_reserved_turn_that_was_stored_meanwhile_holds_nothing_after_a_pass(
    world: World,
) -> None:
    who = principal(limits(turns=3, relationships=2))
    for charge in (A, B):
        world.gate.reserve(who, charge, HOLD_US)
    world.store(who, world.gate.admit_locally(who, [A]), [A])
    world.hand.us += SECOND_US

    world.reconcile()

    state = world.gate.quota(who)
    assert (state.turns_used, state.turns_reserved, state.relationships_used) == (2, 1, 2)
    assert world.references() == {"rel_a": 1, "rel_b": 1}
    assert world.gate.inspect(who)[1].reservations == 1


def test_what_was_given_back_is_found_when_its_turn_comes_again(world: World) -> None:
    who = principal()
    reserved = world.gate.reserve(who, A, HOLD_US)
    world.store(who, world.gate.admit_locally(who, [A]), [A])
    world.hand.us += SECOND_US
    world.reconcile()

    again = world.gate.complete(who, A, reserved.items[0].recorded_at_us)
    world.store(who, again, [A])

    state = world.gate.quota(who)
    assert (state.turns_used, state.turns_reserved, state.relationships_used) == (2, 0, 1)
    assert world.references() == {"rel_a": 1}


def test_a_pass_leaves_charges_cancellations_and_other_reservations_alone(world: World) -> None:
    who = principal()
    world.record(who, A)
    world.gate.reserve(who, B, HOLD_US)
    world.gate.cancel(who, "turn_c", world.hand.us)
    before = world.gate.inspect(who)

    assert world.script.release(KEYS, ["turn_a", "turn_c", "turn_x"]) == 0
    world.reconcile()

    assert world.gate.inspect(who)[0] == before[0]
    assert world.gate.cancel(who, "turn_b", world.hand.us).items[0].verdict is Verdict.CHARGED


def test_a_release_gives_back_all_that_a_reservation_took_and_once(world: World) -> None:
    who = principal()
    world.record(who, turn("turn_before"))
    before = world.gate.quota(who)
    world.gate.reserve(who, A, HOLD_US)

    released = [world.script.release(KEYS, ["turn_a"]) for _ in range(2)]

    assert (released, world.references()) == ([1, 0], {})
    assert world.gate.quota(who) == before
    assert world.gate.inspect(who)[1].reservations == 0


class _Unasked(MemoryLedger):
    """The ledger of maintenance, whose long timeout exceeds that of a request."""

    def newest_recorded_at_us(self, account: str, quota_period: str) -> int:
        raise AssertionError("it is asked within a request")


def test_a_listing_without_redis_asks_the_ledger_of_requests(world: World) -> None:
    charged_us = world.record(principal(), A).items[0].recorded_at_us
    clock = LedgerClock(world.client)
    clock.learn(charged_us - HOUR_US)
    seeder = Seeder(world.script, _Unasked())
    gate = GateVerbs(world.script, seeder, world.ledger, clock, world.local)
    assert gate.account_now_us_by_ledger(principal()) == charged_us + 1
