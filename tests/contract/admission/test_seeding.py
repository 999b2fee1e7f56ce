"""A missing or damaged quota is counted from the ledger, never taken for zero."""

from collections.abc import Iterable
from threading import Barrier, Event, Thread
from time import perf_counter_ns, sleep
from types import SimpleNamespace

import pytest
from redis import Redis

from app.admission import seeding
from app.admission.decision import Decision, Outcome, Verdict
from app.admission.errors import SeedingTimeout
from app.admission.ledger import LedgerCount
from app.admission.policy import QuotaPolicy
from app.admission.replies import Status
from tests.servers import wait_until
from tests.unit.admission.world import (
    HOUR_US,
    KEYS,
    NOON_US,
    PERIOD,
    Hand,
    MemoryLedger,
    World,
    limits,
    principal,
    turn,
)

A, B = turn("turn_a", 2, "rel_a"), turn("turn_b", 1, "rel_b")


def used(world: World) -> tuple[int, int]:
    quota = world.gate.quota(principal())
    return quota.turns_used, quota.relationships_used


def keys_left(world: World) -> set[str]:
    return {name.removeprefix(KEYS.quota) for name in world.client.scan_iter("quota:*")}


@pytest.mark.parametrize("lost", [*KEYS.for_script[1:], None])
def test_whatever_is_lost_is_counted_anew(world: World, lost: str | None) -> None:
    before = world.record(principal(), A, B)
    world.gate.reserve(principal(), turn("turn_r", 1, "rel_r"), 60_000_000)
    if lost is None:
        world.client.flushdb()
    else:
        world.client.delete(lost)
    decision = world.record(principal(), turn("turn_c", 1, "rel_b"))
    assert decision.quota is not None
    assert (decision.quota.turns_used, decision.quota.relationships_used) == (4, 2)
    assert decision.generation > before.generation
    assert world.references() == {"rel_a": 1, "rel_b": 2}


def test_spent_quota_stays_spent_after_a_wipe(world: World) -> None:
    who = principal(limits(turns=2))
    world.record(who, A)
    world.client.flushdb()
    assert world.gate.admit(who, [B]).outcome is Outcome.QUOTA_EXHAUSTED


def test_request_without_turns_needs_no_quota(world: World) -> None:
    assert world.gate.admit(principal()).quota is None
    assert world.ledger.counts_count == 0
    assert used(world) == (0, 0)
    assert world.gate.admit(principal()).quota == world.gate.quota(principal())


def test_turn_from_before_a_wipe_is_charged_once_in_the_end(world: World) -> None:
    world.record(principal(), A)
    world.client.flushdb()
    again = world.record(principal(), A)
    assert [item.verdict for item in again.items] == [Verdict.CHARGED]
    assert used(world) == (2, 1)


def test_instants_rise_over_a_wipe_and_a_clock_that_stepped_back(world: World, hand: Hand) -> None:
    before = world.record(principal(), A).items[0]
    world.client.flushdb()
    hand.us -= HOUR_US
    decision = world.gate.admit(principal(), [B])
    assert before.recorded_at_us < decision.generation < decision.items[0].recorded_at_us


def test_seeding_leaves_nothing_but_the_account(world: World) -> None:
    world.record(principal(), A)
    assert keys_left(world) == {"", ":relationships", ":turns", ":lapses"}


def test_many_relationships_are_staged_in_pieces_that_expire(world: World) -> None:
    for number in range(2_500):
        charge = turn(f"turn_{number}", 1, f"rel_{number}")
        world.ledger.insert(KEYS.account, KEYS.quota_period, NOON_US - number, charge)
    expiries = watch_expiries(world)
    # As commands do: it waits until the seeding has ended, however busy the machine is.
    quota, _ = world.gate.inspect(principal())
    assert (quota.turns_used, quota.relationships_used) == (2_500, 2_500)
    assert len(expiries) == 25
    assert all(0 < left_ms <= 60_000 for left_ms in expiries)
    assert world.client.hlen(KEYS.relationships) == 2_500


def watch_expiries(world: World) -> list[int]:
    """Time left to the seeder's keys, noted at every hundredth relationship handed out.

    To look at each would take longer than the gate waits, on a machine that has other work.
    """
    expiries: list[int] = []
    count = world.ledger.count_relationships

    def watched(account: str, quota_period: str) -> Iterable[tuple[str, int]]:
        for number, pair in enumerate(count(account, quota_period)):
            if number % 100 == 0:
                names = world.client.scan_iter("quota:*")
                expiries.append(min(world.client.pttl(name) for name in names))
            yield pair

    world.ledger.count_relationships = watched  # type: ignore[method-assign]
    return expiries


def test_wipe_while_seeding_is_seeded_again(world: World) -> None:
    world.record(principal(), A, B)
    world.client.flushdb()
    count = world.ledger.count_relationships
    wipes = iter([world.client.flushdb])

    def wiped(account: str, quota_period: str) -> Iterable[tuple[str, int]]:
        yield from count(account, quota_period)
        for wipe in wipes:
            wipe()

    world.ledger.count_relationships = wiped  # type: ignore[method-assign]
    assert used(world) == (3, 2)


def test_staging_that_was_cut_short_is_not_taken(world: World) -> None:
    staging_key = KEYS.staging("cut")
    world.client.hset(staging_key, "rel_a", 1)
    quota = QuotaPolicy.of(limits(), PERIOD)
    reply = world.script.seed(
        KEYS,
        quota,
        counted=LedgerCount(2, 0),
        newest_recorded_at_us=0,
        relationships_count=2,
        staging_key=staging_key,
    )
    assert (reply.status, reply.counters) == (Status.NEED_SEED, None)
    assert not world.client.exists(KEYS.quota)


def test_a_request_that_cannot_wait_is_admitted_without_counters_or_a_charge(world: World) -> None:
    world.client.set(KEYS.seeding, "somebody else", px=60_000)
    decision = world.gate.admit(principal(), [A])
    assert (decision.outcome, decision.quota) == (Outcome.DEGRADED, None)
    assert not world.client.exists(KEYS.quota)
    with pytest.raises(SeedingTimeout):
        world.gate.quota(principal())
    world.client.delete(KEYS.seeding)
    wait_until(lambda: world.client.exists(KEYS.quota))
    assert world.gate.admit(principal(), [A]).outcome is Outcome.ADMITTED


@pytest.mark.parametrize("waits_for_lock_s", [0.03, 6])
def test_a_command_outlasts_the_lock_of_a_seeder_that_has_died(
    world: World, monkeypatch: pytest.MonkeyPatch, waits_for_lock_s: float
) -> None:
    monkeypatch.setattr(seeding, "_LOCK_WAIT_S", waits_for_lock_s)
    world.record(principal(), A)
    world.client.flushdb()
    world.client.set(KEYS.seeding, "a seeder that has died", px=300)
    quota, _ = world.gate.inspect(principal())
    assert quota.turns_used == 2


def test_a_large_account_is_seeded_while_requests_no_longer_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Event()
    count = world.ledger.count_turns

    def slow(account: str, quota_period: str, before_us: int | None = None) -> LedgerCount:
        counted.wait(30)
        return count(account, quota_period, before_us)

    monkeypatch.setattr(world.ledger, "count_turns", slow)
    keys, quota = KEYS, QuotaPolicy.of(principal().limits, PERIOD)
    for _ in range(3):
        with pytest.raises(SeedingTimeout):
            world.gate._seeder.seed(keys, quota, 0.01)
    counted.set()
    world.gate._seeder.seed(keys, quota, 30)
    assert world.ledger.counts_count == 1
    assert world.client.exists(KEYS.quota)


def test_a_request_that_meets_a_late_seeding_does_not_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_s, counted = Hand(0), Event()
    monkeypatch.setattr(seeding, "time", SimpleNamespace(monotonic=clock_s, sleep=sleep))
    monkeypatch.setattr(
        world.ledger, "count_turns", lambda *_: counted.wait(60) and LedgerCount(0, 0)
    )
    quota = QuotaPolicy.of(principal().limits, PERIOD)
    with pytest.raises(SeedingTimeout):
        world.gate._seeder.seed(KEYS, quota, 0)
    clock_s.us += 20
    began_ns = perf_counter_ns()
    with pytest.raises(SeedingTimeout):
        world.gate._seeder.seed(KEYS, quota, 20)
    assert perf_counter_ns() - began_ns < 10e9
    counted.set()
    # The seeder is on this Redis, too, in the next test.
    wait_until(lambda: world.client.exists(KEYS.quota))


def test_where_no_thread_is_to_be_had_requests_pass_without_a_charge(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding.Thread, "start", _no_thread)
    assert world.gate.admit(principal(), [A]).outcome is Outcome.DEGRADED
    monkeypatch.undo()
    assert world.gate.admit(principal(), [A]).outcome is Outcome.ADMITTED


def _no_thread(_: Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_seeder_that_outlived_its_lock_does_no_harm(world: World) -> None:
    world.record(principal(), A)
    world.client.flushdb()
    count = world.ledger.count_turns

    def slow(account: str, quota_period: str, before_us: int | None = None) -> LedgerCount:
        world.client.delete(KEYS.seeding)
        return count(account, quota_period, before_us)

    world.ledger.count_turns = slow  # type: ignore[method-assign]
    assert used(world) == (2, 1)


def test_twenty_seeders_at_once_count_once(live_redis: Redis) -> None:
    ledger = MemoryLedger()
    workers = [World(live_redis, ledger=ledger) for _ in range(5)]
    barrier = Barrier(20)
    decisions: list[Decision] = []

    def charge(number: int) -> None:
        barrier.wait()
        decisions.append(workers[number % 5].gate.admit(principal(), [turn(f"turn_{number}")]))

    threads = [Thread(target=charge, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.counts_count == 1
    assert len({decision.generation for decision in decisions}) == 1
    assert workers[0].gate.quota(principal()).turns_used == len(decisions) == 20


def test_seeding_repeats_no_instant_that_the_hash_still_contains(world: World, hand: Hand) -> None:
    world.record(principal(), turn("turn_a"))
    for _ in range(3):  # each pass gives an instant out that the ledger does not know
        world.reconcile()
    world.client.delete(KEYS.turns)
    hand.us -= HOUR_US

    listing_started_us = world.gate.enter(principal()).account_now_us
    (late,) = world.record(principal(), turn("turn_b")).items

    assert listing_started_us is not None
    assert listing_started_us <= late.recorded_at_us
