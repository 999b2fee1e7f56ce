"""Counters equal the ledger after one pass, whatever happened before it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect, ExecutionTimeout
from structlog.testing import capture_logs

from app.admission.decision import Decision, TurnCharge, Verdict
from app.admission.keys import AccountKeys
from app.admission.ledger import LedgerCount, PeriodLedger
from app.tenancy.model import Environment
from tests.unit.admission.world import (
    DEADLINE_S,
    KEYS,
    ORGANIZATION,
    SECOND_US,
    Hand,
    World,
    principal,
    turn,
)

pytestmark = pytest.mark.slow  # seconds of work

CACHED_FOR_US = 300 * SECOND_US
A, B = turn("turn_a", 2, "rel_a"), turn("turn_b", 1, "rel_b")
WHO = principal()


@dataclass
class Traffic:
    """Requests that have charged and not yet inserted; each step does a part of the work."""

    world: World
    in_flight: list[tuple[Decision, TurnCharge]] = field(default_factory=list)
    started_count: int = 0

    def do(self, step: str) -> None:
        self.world.hand.us += 1_000
        getattr(self, step)()

    def charge(self) -> None:
        """Charge a turn, now and then one that was charged before."""
        self.started_count += 1
        number = self.started_count % 7 or max(1, self.started_count - 9)
        charge = turn(f"turn_{self.started_count}_{number}", number % 3, None)
        if charge.turns:
            charge = turn(charge.turn_key, charge.turns, f"rel_{number % 4}")
        self.in_flight.append((self.world.gate.admit(WHO, [charge]), charge))

    def charge_again(self) -> None:
        """Send a stored turn again, long after."""
        for row in list(self.world.ledger.rows.values())[:1]:
            self.world.hand.us += CACHED_FOR_US
            self.in_flight.append((self.world.gate.admit(WHO, [row.charge]), row.charge))

    def store_what_is_reserved(self) -> None:
        """Complete a reserved turn while Redis is unavailable: it is stored and still held."""
        self.started_count += 1
        number = self.started_count
        charge = turn(f"reserved_{number}", 1, f"rel_{number % 4}")
        self.world.gate.reserve(WHO, charge, CACHED_FOR_US)
        self.world.store(WHO, self.world.gate.admit_locally(WHO, [charge]), [charge])
        # The local decision's clock runs by itself: it must not be ahead of the hand's.
        self.world.hand.us += SECOND_US

    def insert(self) -> None:
        for decision, charge in self.in_flight[:1]:
            self.world.store(WHO, decision, [charge])
        del self.in_flight[:1]

    def crash(self) -> None:
        del self.in_flight[:1]

    def wipe(self) -> None:
        self.world.client.flushdb()

    def lose_relationships(self) -> None:
        self.world.client.delete(KEYS.relationships)

    def reconcile(self) -> None:
        """Reconcile amid traffic: requests in flight end meanwhile, and new ones come."""
        reconciler = self.world.reconciler
        reconciler.reconcile(reconciler.list_accounts(), wait=lambda _: self.settle_and_go_on())

    def settle_and_go_on(self) -> None:
        self.settle()
        self.charge()

    def settle(self) -> None:
        while self.in_flight:
            self.insert()


steps = st.sampled_from(
    ["charge"] * 4
    + ["insert"] * 3
    + ["store_what_is_reserved", "charge_again", "crash", "wipe", "lose_relationships", "reconcile"]
)


def assert_exact(world: World) -> None:
    """Compare the counters in Redis with the ledger."""
    quota = world.gate.quota(WHO)
    expected = dict(world.ledger.count_relationships(KEYS.account, KEYS.quota_period))
    assert quota.turns_used == world.ledger.count_turns(KEYS.account, KEYS.quota_period).charged
    assert world.references() == expected
    assert quota.relationships_used == len(expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(steps, max_size=40))
def test_one_pass_is_exact_whatever_happened(world: World, story: list[str]) -> None:
    world.client.flushdb()
    world.hand.us = Hand().us
    world.ledger.rows.clear()
    traffic = Traffic(world)
    for step in story:
        traffic.do(step)
    traffic.settle()
    world.reconcile()
    assert_exact(world)


def test_charges_that_settle_in_time_are_no_drift(world: World) -> None:
    traffic = Traffic(world)
    for _ in range(6):
        traffic.charge()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        traffic.settle()
        traffic.charge()

    (result,) = world.reconciler.reconcile(world.reconciler.list_accounts(), wait)
    assert (result.turns_drift, result.relationships_drift, waits) == (0, 0, [DEADLINE_S])
    traffic.settle()
    assert_exact(world)


def test_charge_without_a_stored_turn_is_taken_back_and_reported_as_drift(world: World) -> None:
    world.gate.admit(WHO, [A])
    world.record(WHO, B)
    (result,) = world.reconciler.reconcile([KEYS], wait=lambda _: None)
    assert (result.turns_used, result.turns_drift) == (1, -2)
    assert (result.relationships_used, result.relationships_drift) == (1, -1)
    assert_exact(world)


def test_charge_that_was_given_back_is_charged_anew_when_its_turn_comes_again(world: World) -> None:
    lost = world.gate.admit(WHO, [A])
    world.reconcile()
    (before,) = lost.items

    again = world.record(WHO, A)

    (after,) = again.items
    assert after.verdict is Verdict.CHARGED
    assert after.recorded_at_us > before.recorded_at_us
    assert_exact(world)


def test_refund_of_a_charge_that_was_given_back_changes_nothing(world: World) -> None:
    lost = world.gate.admit(WHO, [A])
    world.record(WHO, B)
    world.reconcile()
    world.gate.refund(WHO, lost, [lost.items[0]])
    assert_exact(world)


def test_turns_recorded_without_a_charge_are_counted(world: World) -> None:
    world.record(WHO, A)
    world.ledger.insert(KEYS.account, KEYS.quota_period, world.hand.us, B)
    (result,) = world.reconciler.reconcile([KEYS], wait=lambda _: None)
    assert (result.turns_drift, result.relationships_drift) == (1, 1)
    assert_exact(world)


def test_refund_between_watermark_and_comparison_counts_once(world: World) -> None:
    decision = world.gate.admit(WHO, [A])
    world.record(WHO, B)
    world.reconciler.reconcile(
        [KEYS], wait=lambda _: world.gate.refund(WHO, decision, [decision.items[0]])
    )
    assert_exact(world)


def test_relationship_in_motion_is_left_to_the_next_pass(world: World) -> None:
    world.gate.admit(WHO, [A])
    in_flight = turn("turn_x", 1, "rel_a")

    def wait(_: float) -> None:
        world.record(WHO, in_flight)

    (result,) = world.reconciler.reconcile([KEYS], wait)
    assert (result.relationships_drift, world.references()) == (0, {"rel_a": 2})
    world.reconcile()
    assert_exact(world)


@pytest.mark.parametrize("what", ["marked anew", "wiped", "wiped and seeded"])
def test_pass_that_was_overtaken_changes_nothing(world: World, what: str) -> None:
    world.record(WHO, A)
    world.ledger.rows.clear()

    def wait(_: float) -> None:
        if what == "marked anew":
            world.script.set_watermark(KEYS, 0)
        else:
            world.client.flushdb()
        if what == "wiped and seeded":
            world.gate.quota(WHO)

    assert world.reconciler.reconcile([KEYS], wait) == []
    world.reconcile()
    assert_exact(world)


def test_two_passes_over_one_watermark_correct_once(world: World) -> None:
    world.gate.admit(WHO, [A])
    watermark_at_us = world.script.set_watermark(KEYS, 0)
    assert watermark_at_us is not None
    counted = LedgerCount(0, 0)
    changes = [world.script.reconcile(KEYS, watermark_at_us, counted).results[0] for _ in range(2)]
    assert (changes, world.gate.quota(WHO).turns_used) == ([-2, 0], 0)


def test_all_accounts_share_one_wait(world: World) -> None:
    test = principal(environment=Environment.TEST)
    world.record(WHO, A)
    world.record(test, turn("turn_t"))
    waits: list[float] = []
    accounts = world.reconciler.list_accounts()
    done = world.reconciler.reconcile(accounts, waits.append)
    assert [keys.environment for keys in accounts] == ["live", "test"]
    assert [result.turns_used for result in done] == [2, 1]
    assert waits == [DEADLINE_S]


@pytest.mark.parametrize("cause", ["its key is no hash", "its ledger is slow"])
def test_one_account_that_fails_leaves_the_others_their_pass(
    world: World, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    other = principal(environment=Environment.TEST)
    world.record(WHO, A)
    world.record(other, turn("turn_t", 1, "rel_t"))
    world.client.hset(AccountKeys(ORGANIZATION, "test", KEYS.quota_period).quota, "turns_used", 5)
    if cause == "its ledger is slow":
        monkeypatch.setattr(world.ledger, "count_turns", slow_for(KEYS.account, world.ledger))
    else:
        world.client.delete(KEYS.relationships)
        world.client.set(KEYS.relationships, "no hash")
    with capture_logs() as logs:
        (result,) = world.reconciler.reconcile(world.reconciler.list_accounts(), lambda _: None)
    assert (result.keys.environment, result.turns_used, result.turns_drift) == ("test", 1, -4)
    assert [(line["event"], line["account"]) for line in logs] == [
        ("account_not_reconciled", KEYS.account)
    ]


def slow_for(account: str, ledger: PeriodLedger) -> Callable[..., LedgerCount]:
    """Count turns, but take too long for one account."""
    count = ledger.count_turns

    def count_turns(asked: str, *arguments: Any) -> LedgerCount:
        if asked == account:
            raise ExecutionTimeout("operation exceeded time limit")
        return count(asked, *arguments)

    return count_turns


def test_an_outage_ends_the_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.record(WHO, A)
    accounts = world.reconciler.list_accounts()
    away = Mock(side_effect=AutoReconnect("gone"))
    monkeypatch.setattr(world.ledger, "newest_recorded_at_us", away)
    with pytest.raises(AutoReconnect):
        world.reconciler.reconcile(accounts, lambda _: None)


def test_nothing_to_do_waits_for_nothing(world: World) -> None:
    waits: list[float] = []
    world.gate.admit(WHO)
    missing = AccountKeys("org_none", "live", KEYS.quota_period)
    assert world.reconciler.list_accounts() == []
    assert world.reconciler.reconcile([missing], waits.append) == []
    assert waits == []


def test_thousands_of_relationships_are_corrected_in_chunks(world: World) -> None:
    world.record(WHO, A)
    for number in range(2_500):
        charge = turn(f"turn_{number}", 1, f"rel_{number}")
        world.ledger.insert(KEYS.account, KEYS.quota_period, world.hand.us, charge)
    (result,) = world.reconciler.reconcile([KEYS], wait=lambda _: None)
    assert (result.turns_drift, result.relationships_drift) == (2_500, 2_500)
    assert_exact(world)
