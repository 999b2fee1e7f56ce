"""This release and the one before it on one account: the books balance, and no hold is lost."""

from random import Random

import pytest

from app.admission.decision import ItemCharge, TurnCharge, Verdict
from app.admission.policy import QuotaPolicy
from tests.contract.admission.reserving import HOLD_US
from tests.earlier.script import EarlierScript
from tests.unit.admission.world import (
    KEYS,
    PERIOD,
    RELATIONSHIPS,
    SECOND_US,
    Hand,
    World,
    limits,
    principal,
    turn,
)

pytestmark = pytest.mark.slow  # hundreds of calls on a real Redis

LONG = [f"rel_{letter * 60}" for letter in "abc"]
NAMES = [None, "rel_short", *LONG]
IN_FORCE = limits(turns=100_000, relationships=100, uncharged=100_000)
WHO = principal(IN_FORCE)


class Site:
    """Web processes of two releases before one Redis and one ledger."""

    def __init__(self, world: World, hand: Hand, seed: int) -> None:
        self.world, self.hand = world, hand
        self.random = Random(seed)  # noqa: S311 - a test's own order of events
        self.earlier = EarlierScript(world.client, KEYS, QuotaPolicy.of(IN_FORCE, PERIOD), hand)
        self.held: dict[str, TurnCharge] = {}
        self.kept: list[TurnCharge] = []
        self.count = 0

    def new_turn(self, cost: int) -> TurnCharge:
        self.count += 1
        name = self.random.choice(NAMES) if cost else None
        return turn(f"turn_{self.count:05}", cost, name)

    def record(self, *, is_earlier: bool) -> None:
        charge = self.new_turn(self.random.choice([0, 1, 2]))
        if not is_earlier:
            self.world.record(WHO, charge)
            return
        self._store_earlier(charge, self.earlier.admit(charge))

    def reserve(self, *, is_earlier: bool) -> None:
        held = self.new_turn(1)
        if is_earlier:
            assert self.earlier.reserve(held, HOLD_US)[0] == Verdict.CHARGED
        else:
            decision = self.world.gate.reserve(WHO, held, HOLD_US)
            assert decision.items[0].verdict is Verdict.CHARGED
        self.held[held.turn_key] = held

    def settle(self, *, is_earlier: bool) -> None:
        if not self.held:
            return
        held = self.held.pop(self.random.choice(sorted(self.held)))
        if is_earlier:
            self._store_earlier(held, self.earlier.complete(held))
            return
        decision = self.world.gate.complete(WHO, held, self.hand.us)
        assert decision.items[0].verdict is Verdict.CHARGED
        self.world.store(WHO, decision, [held])

    def repeat(self, *, is_earlier: bool) -> None:
        """Send a turn again, that the other release may have recorded."""
        if not self.kept:
            return
        again = self.random.choice(self.kept)
        if not is_earlier:
            self.world.record(WHO, again)
            return
        verdict, recorded_at, _ = self.earlier.admit(again)
        row = self.world.ledger.rows[again.turn_key]
        if verdict == Verdict.CHARGED and row.recorded_at_us != recorded_at and again.turns:
            surplus = ItemCharge(
                Verdict.CHARGED, recorded_at, relationship_counted=False, turn_key=again.turn_key
            )
            generation = int(self.world.client.hget(KEYS.quota, "generation") or 0)
            assert self.earlier.refund(generation, surplus) == 1

    def reconcile(self, *, is_earlier: bool) -> None:
        if not is_earlier:
            self.world.reconcile()
            return
        newest = self.world.ledger.newest_recorded_at_us(WHO.account, PERIOD.label)
        counted = self.world.ledger.count_turns(WHO.account, PERIOD.label)
        self.earlier.reconcile(newest, counted.charged)

    def lose_redis(self, *, is_earlier: bool) -> None:
        """Lose the counters; the next process seeds them, of whichever release it is."""
        self.world.client.flushdb()
        self.held.clear()
        if is_earlier:
            ledger = self.world.ledger
            newest = ledger.newest_recorded_at_us(WHO.account, PERIOD.label)
            counted = ledger.count_turns(WHO.account, PERIOD.label)
            references = ledger.count_relationships(WHO.account, PERIOD.label)
            self.earlier.seed(counted.charged, newest, references)
        self.world.gate.quota(WHO)

    def _store_earlier(self, charge: TurnCharge, result: tuple[int, int, int]) -> None:
        verdict, recorded_at, _ = result
        assert verdict == Verdict.CHARGED
        ledger = self.world.ledger
        ledger.insert(WHO.account, PERIOD.label, recorded_at, charge, counts_uncharged=False)

    def assert_balance(self) -> None:
        """Compare the counters with the ledger after one reconciliation by this release."""
        self.world.reconcile()
        ledger = self.world.ledger
        counted = ledger.count_turns(WHO.account, PERIOD.label)
        quota = self.world.gate.quota(WHO)
        assert (quota.turns_used, quota.uncharged_used) == counted
        assert quota.turns_reserved == len(self.held)
        active = dict(ledger.count_relationships(WHO.account, PERIOD.label))
        held = {each.relationship_id for each in self.held.values()} - {None}
        names = {RELATIONSHIPS.of(KEYS.account, each) for each in active.keys() | held}
        known = self.world.references().keys()
        assert known == {name for pair in names for name in pair if name in known}
        assert all(set(pair) & known for pair in names)


@pytest.mark.parametrize("seed", range(8))
def test_the_books_balance_with_two_releases_side_by_side(
    world: World, hand: Hand, seed: int
) -> None:
    site = Site(world, hand, seed)
    world.gate.quota(WHO)
    steps = [site.record] * 6 + [site.reserve, site.settle, site.repeat] * 2 + [site.reconcile]
    for number in range(150):
        hand.us += SECOND_US // 10
        step = site.lose_redis if number == 75 else site.random.choice(steps)
        step(is_earlier=site.random.random() < 0.5)
        site.kept = [row.charge for row in list(world.ledger.rows.values())[-20:]]
    site.assert_balance()


def test_downgrade_and_upgrade_again_lose_nothing(world: World, hand: Hand) -> None:
    site = Site(world, hand, seed=0)
    world.gate.quota(WHO)
    for is_earlier in (True, False, True, False):
        for _ in range(25):
            hand.us += SECOND_US // 10
            site.record(is_earlier=is_earlier)
            site.reserve(is_earlier=is_earlier)
        site.reconcile(is_earlier=is_earlier)
    generation = world.gate.admit(WHO).generation
    while site.held:
        site.settle(is_earlier=False)
    site.assert_balance()
    assert world.gate.admit(WHO).generation == generation


def test_a_deploy_with_500_open_reservations_loses_none(live_world: World, hand: Hand) -> None:
    world, site = live_world, Site(live_world, hand, seed=0)
    world.gate.quota(WHO)
    for field in ("uncharged_used", "uncharged_limit", "mark_uncharged"):
        world.client.hdel(KEYS.quota, field)  # as the earlier release has seeded it
    for _ in range(500):
        site.reserve(is_earlier=True)
    generation = world.client.hget(KEYS.quota, "generation")
    for number in range(500):
        hand.us += SECOND_US // 100
        # In the middle of the deploy every other request meets the new release.
        site.record(is_earlier=number < 250 and number % 2 == 0)
        site.settle(is_earlier=number < 250 and number % 3 == 0)
    assert not site.held
    assert world.client.hget(KEYS.quota, "generation") == generation
    site.assert_balance()
