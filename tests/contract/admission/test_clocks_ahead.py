"""Turns recorded without Redis by a clock that runs ahead: one pass finds them all the same."""

from app.admission.clock import LedgerClock
from app.admission.decision import TurnCharge
from app.admission.fallback import LocalBuckets
from app.admission.seeding import Seeder
from tests.unit.admission.verbs import GateVerbs
from tests.unit.admission.world import HOUR_US, KEYS, World, principal, turn

A, B, C = (turn(f"turn_{name}", 2, f"rel_{name}") for name in "abc")
WHO = principal()


def record_without_redis(world: World, charge: TurnCharge, ahead_us: int) -> int:
    """Store a turn as a worker that started while Redis was down; return its instant."""
    local = LocalBuckets(1, lambda: world.hand.us + ahead_us)
    seeder = Seeder(world.script, world.ledger)
    worker = GateVerbs(world.script, seeder, world.ledger, LedgerClock(world.client), local)
    decision = worker.admit_locally(WHO, [charge])
    world.store(WHO, decision, [charge])
    return decision.items[0].recorded_at_us


def used(world: World) -> tuple[int, int]:
    quota = world.gate.quota(WHO)
    return quota.turns_used, quota.relationships_used


def test_a_pass_counts_a_turn_dated_in_the_future_once(world: World) -> None:
    world.record(WHO, A)
    record_without_redis(world, B, HOUR_US)

    (result,) = world.reconciler.reconcile([KEYS], wait=lambda _: None)

    assert (result.turns_drift, result.relationships_drift, used(world)) == (2, 1, (4, 2))
    world.hand.us += 2 * HOUR_US
    world.reconcile()
    assert used(world) == (4, 2)


def test_listings_and_charges_after_a_pass_lie_beyond_turns_dated_in_the_future(
    world: World,
) -> None:
    world.record(WHO, A)
    recorded_us = record_without_redis(world, B, HOUR_US)
    world.reconcile()

    listing_started_us = world.gate.enter(WHO).account_now_us
    after_us = world.record(WHO, C).items[0].recorded_at_us

    assert recorded_us < listing_started_us <= after_us
    (result,) = world.reconciler.reconcile([KEYS], wait=lambda _: None)
    assert (result.turns_drift, used(world)) == (0, (6, 3))


def test_a_turn_dated_while_a_pass_waits_is_left_to_the_next(world: World) -> None:
    world.record(WHO, A)
    record_without_redis(world, B, HOUR_US)

    def wait(_: float) -> None:
        record_without_redis(world, C, 2 * HOUR_US)

    first = world.reconciler.reconcile([KEYS], wait)
    second = world.reconciler.reconcile([KEYS], wait=lambda _: None)

    assert [result.turns_drift for result in (*first, *second)] == [2, 2]
    assert used(world) == (6, 3)


def test_a_clock_behind_moves_no_watermark_back(world: World) -> None:
    before_us = world.record(WHO, A).items[0].recorded_at_us
    record_without_redis(world, B, -HOUR_US)

    world.reconcile()

    assert used(world) == (4, 2)
    assert world.record(WHO, C).items[0].recorded_at_us > before_us
