"""A client that waits until a refused turn fits is admitted, and nobody waits longer than that."""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from app.admission.decision import Decision, Verdict
from app.tenancy.model import Limits, OveragePolicy
from tests.contract.admission.reserving import HOLD_US, reserve, verdict
from tests.unit.admission.world import NOON_US, SECOND_US, Hand, World, limits, principal, turn

pytestmark = pytest.mark.slow  # seconds of work

PLENTY = limits(overage=OveragePolicy.ALLOW)
relationships = st.none() | st.sampled_from(["rel_a", "rel_b", "rel_c", "rel_d"])


@dataclass(frozen=True)
class Step:
    """A turn that is charged, or held for `hold_s` if that is not 0."""

    turns: int
    relationship: str | None
    hold_s: int

    def take(self, world: World, name: str) -> None:
        asked = turn(name, self.turns, self.relationship)
        if self.hold_s:
            world.gate.reserve(principal(PLENTY), asked, self.hold_s * SECOND_US)
        else:
            world.gate.admit(principal(PLENTY), [asked])


steps = st.builds(Step, st.integers(1, 2), relationships, st.sampled_from([0, 10, 20, 30, 40]))
asks = st.builds(Step, st.integers(1, 4), relationships, st.just(0))
ceilings = st.builds(
    lambda turns, active: limits(turns=turns, relationships=active),
    st.integers(1, 8),
    st.integers(1, 4),
)


def is_refused(decision: Decision) -> bool:
    return verdict(decision).is_exhausted


def fits_at(decision: Decision) -> int:
    return decision.items[0].fits_at_us


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    taken=st.lists(steps, max_size=8),
    wanted=asks,
    in_force=ceilings,
    is_reservation=st.booleans(),
    own=st.none() | steps,
)
def test_the_wait_is_long_enough_and_no_longer(
    live_redis: Redis,
    taken: list[Step],
    wanted: Step,
    in_force: Limits,
    is_reservation: bool,
    own: Step | None,
) -> None:
    live_redis.flushdb()
    hand = Hand()
    world = World(live_redis, hand)
    for number, step in enumerate(taken):
        step.take(world, f"turn_{number}")
    if own:
        own.take(world, "turn_x" if own.hold_s and not is_reservation else "turn_y")
    charge = turn("turn_x", wanted.turns, wanted.relationship)
    who = principal(in_force)

    def ask() -> Decision:
        if is_reservation:
            return world.gate.reserve(who, charge, HOLD_US)
        return world.gate.admit(who, [charge])

    refused = ask()
    if not is_refused(refused):
        return
    until_us = fits_at(refused)
    if until_us == 0:
        hand.us = NOON_US + 41 * SECOND_US  # every hold has expired
        assert is_refused(ask())
        return
    hand.us = until_us - 1
    before = ask()
    # A reservation of the very turn may be in force again and again until it expires.
    assert own or fits_at(before) == until_us
    hand.us = until_us
    assert not is_refused(ask())


def hold_each(world: World, count: int, in_force: Limits = PLENTY) -> None:
    """Hold so many turns, each of a relationship of its own, one expiring after the other."""
    for number in range(count):
        charge = turn(f"turn_{number}", 1, f"rel_{number}")
        world.gate.reserve(principal(in_force), charge, HOLD_US + number)


def test_a_cost_waits_for_as_many_holds_as_it_needs_however_many_are_open(world: World) -> None:
    hold_each(world, 700)

    refused = world.gate.admit(principal(limits(turns=702)), [turn("turn_x", 600)])

    assert fits_at(refused) == NOON_US + HOLD_US + 597


def test_the_wait_behind_too_many_holds_is_found_in_a_few_steps(world: World, hand: Hand) -> None:
    """Have other charges keep each relationship but the last: 50 holds are read at once."""
    hold_each(world, 120)
    for number in range(119):
        world.gate.admit(principal(PLENTY), [turn(f"charge_{number}", 1, f"rel_{number}")])
    who, charge = principal(limits(relationships=120)), turn("turn_x", 1, "rel_x")

    waits = []
    while is_refused(decision := world.gate.admit(who, [charge])):
        hand.us = fits_at(decision)
        waits.append(hand.us - NOON_US - HOLD_US)

    assert waits == [50, 101, 119]


def test_too_many_reservations_under_a_smaller_plan_wait_for_enough_of_them(
    world: World, hand: Hand
) -> None:
    hold_each(world, 160)
    who = principal(limits(burst=1))

    refused = world.gate.reserve(who, turn("turn_x"), HOLD_US)

    assert (verdict(refused), refused.hold and refused.hold.wait_us) == (
        Verdict.TOO_MANY_OPEN,
        HOLD_US + 10,
    )
    hand.us += HOLD_US + 10
    assert verdict(world.gate.reserve(who, turn("turn_x"), HOLD_US)) is Verdict.CHARGED


def test_a_reservation_waits_for_its_quota_and_for_few_enough_others(world: World) -> None:
    hold_each(world, 160)

    refused = world.gate.reserve(principal(limits(burst=1, turns=160)), turn("turn_x"), HOLD_US)

    assert (verdict(refused), fits_at(refused)) == (
        Verdict.TURNS_EXHAUSTED,
        NOON_US + HOLD_US + 10,
    )


def test_waits_are_those_after_the_whole_batch(world: World) -> None:
    """Count charges and refunds of the batch itself behind a refused turn: they change its wait."""
    for name, relationship in (("turn_a", "rel_a"), ("turn_b", "rel_b")):
        reserve(world, PLENTY, name, relationship)
    who = principal(limits(turns=5, relationships=2))
    costly, new = turn("turn_c", 4), turn("turn_n", 1, "rel_n")
    last = turn("turn_l", 1, "rel_a")

    spent = world.gate.admit(who, [costly, new, last, turn("turn_m", 1)])
    assert [item.verdict for item in spent.items] == [
        Verdict.TURNS_EXHAUSTED,
        Verdict.RELATIONSHIPS_EXHAUSTED,
        Verdict.CHARGED,
        Verdict.CHARGED,
    ]
    # Two charged turns leave no room for four; only the hold of rel_b frees a place.
    assert [item.fits_at_us for item in spent.items] == [0, NOON_US + HOLD_US, 0, 0]

    freed = world.gate.admit(who, [new, turn("turn_b", 1)])
    assert [item.fits_at_us for item in freed.items] == [NOON_US, 0]


@pytest.mark.parametrize("burst", [1, 1_000])
def test_refusals_that_wait_for_holds_write_no_quota(live_world: World, burst: int) -> None:
    hold_each(live_world, 300)
    who = principal(limits(rate=1, burst=burst, turns=500, relationships=300))
    charges = [turn("turn_x", 499), turn("turn_y", 1, "rel_y")]
    live_world.gate.admit(who, [charges[0]])
    stats = live_world.client.info("persistence")
    for charge in charges * 250:
        assert fits_at(live_world.gate.admit(who, [charge])) > NOON_US
    written = live_world.client.info("persistence")

    # A refusal by the quota pays the bucket: its two fields and its expiry.
    changes = "rdb_changes_since_last_save"
    assert written[changes] - stats[changes] == (0 if burst == 1 else 3 * 500)


def test_the_hold_of_the_very_turn_is_none_of_those_it_waits_for(world: World, hand: Hand) -> None:
    for name, hold_s in (("turn_a", 10), ("turn_x", 20), ("turn_b", 30)):
        world.gate.reserve(principal(PLENTY), turn(name), hold_s * SECOND_US)
    who, charge = principal(limits(turns=3)), turn("turn_x", 3)

    refused = world.gate.admit(who, [charge])

    assert fits_at(refused) == NOON_US + 30 * SECOND_US
    hand.us = fits_at(refused) - 1
    assert is_refused(world.gate.admit(who, [charge]))
    hand.us += 1
    assert not is_refused(world.gate.admit(who, [charge]))
