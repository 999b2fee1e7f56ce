"""Expiry: entries end by themselves, and a call clears a bounded number of them.

More than a thousand reservations are made in each test, so they run on the real Redis only. The
in-memory one runs the same script; `test_oracle` compares what both make of expired reservations,
and `test_quota` clears more than a thousand entries on both.
"""

import pytest

from app.admission.decision import Verdict
from app.admission.errors import SeedingTimeout
from app.admission.operations import Charge
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.admission.replies import Status
from app.tenancy.model import Limits
from tests.contract.admission.reserving import HOLD_US, A, counts, reserve, verdict
from tests.unit.admission.world import KEYS, PERIOD, Hand, World, limits, principal, turn

# Of turns that expire at the same instant, a call clears the first ones by name.
LAST_DUE = "turn_999"


@pytest.fixture
def world(live_world: World) -> World:
    """One account on the real Redis."""
    return live_world


def reserve_many(world: World, in_force: Limits, count: int) -> None:
    for number in range(count):
        decision = reserve(world, in_force, f"turn_{number}", f"rel_{number}")
        assert verdict(decision) is Verdict.CHARGED


def test_a_backlog_of_expired_reservations_refuses_no_request_wrongly(
    world: World, hand: Hand
) -> None:
    in_force = limits(turns=2_100, relationships=2_100)
    reserve_many(world, in_force, 2_100)
    assert verdict(reserve(world, in_force, "turn_x")) is Verdict.TURNS_EXHAUSTED
    hand.us += HOLD_US
    tight = limits(turns=1, relationships=1)

    first = world.gate.admit(principal(tight))
    bookkeeping = world.gate.inspect(principal(tight))[1]
    granted = reserve(world, tight, LAST_DUE, "rel_new")

    # Two calls end 1,000 each; the hundred that are left count already as if they had ended.
    assert counts(first) == (0, 0)
    assert bookkeeping.reservations == 0
    assert (verdict(granted), counts(granted)) == (Verdict.CHARGED, (0, 1))
    assert verdict(reserve(world, tight, "turn_y")) is Verdict.TURNS_EXHAUSTED
    assert world.references() == {"rel_new": 1}


def test_an_overdue_reservation_is_none(world: World, hand: Hand) -> None:
    reserve_many(world, limits(), 1_001)
    hand.us += HOLD_US

    again = reserve(world, limits(), LAST_DUE, "rel_other")
    completed = world.gate.complete(principal(), turn(LAST_DUE, 1, "rel_other"), hand.us)

    assert (verdict(again), verdict(completed)) == (Verdict.CHARGED, Verdict.CHARGED)
    assert counts(completed) == (1, 0)
    assert world.references() == {"rel_other": 1}


def test_the_cap_counts_no_overdue_reservation(world: World, hand: Hand) -> None:
    in_force = limits(rate=1, burst=10)
    reserve_many(world, limits(), 1_500)
    refused = reserve(world, in_force, "turn_x")
    hand.us += HOLD_US

    assert verdict(refused) is Verdict.TOO_MANY_OPEN
    assert refused.hold is not None
    assert refused.hold.wait_us == HOLD_US
    assert verdict(reserve(world, limits(burst=1), "turn_x")) is Verdict.CHARGED


def test_the_very_call_that_ends_too_few_is_refused_nothing(world: World, hand: Hand) -> None:
    reserve_many(world, limits(), 2_100)
    hand.us += HOLD_US

    granted = reserve(world, limits(turns=1, relationships=1), "turn_x", "rel_new")

    assert (verdict(granted), counts(granted)) == (Verdict.CHARGED, (0, 1))
    assert world.references() == {"rel_new": 1}


def test_no_call_clears_more_expired_entries_than_its_share(world: World, hand: Hand) -> None:
    in_force, who = limits(relationships=1), principal(limits(relationships=1))
    for number in range(2_100):  # none of them would free a place, for the turn is charged too
        assert verdict(reserve(world, in_force, f"turn_{number}", "rel_a")) is Verdict.CHARGED
    world.gate.admit(who, [A])
    hand.us += HOLD_US
    asked = (
        BucketPolicy.of(in_force),
        QuotaPolicy.of(in_force, PERIOD),
        [turn("turn_x", 1, "rel_x")],
    )

    replies = [world.script.admit(KEYS, *asked) for _ in range(3)]

    assert [reply.status for reply in replies] == [Status.BACKLOG] * 2 + [Status.DONE]
    assert [len(reply.results) for reply in replies[:2]] == [0, 0]
    assert replies[2].results[3] == Verdict.RELATIONSHIPS_EXHAUSTED
    assert world.client.zcard(KEYS.holds) == 0


def test_a_backlog_that_takes_too_long_is_left_to_the_next_call(world: World, hand: Hand) -> None:
    who = principal(limits(relationships=1))
    for number in range(1_100):
        reserve(world, limits(relationships=1), f"turn_{number}", "rel_a")
    hand.us += HOLD_US
    charged = [turn("turn_x", 1, "rel_x")]

    with pytest.raises(SeedingTimeout):
        world.gate._call(who, Charge(charged), wait_s=0)

    assert world.client.zcard(KEYS.holds) == 100
    assert verdict(world.gate.admit(who, charged)) is Verdict.CHARGED
