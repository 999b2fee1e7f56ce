"""Four processes on one Redis admit exactly what the policy allows."""

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import chain
from typing import Any

import pytest
from redis import Redis

from app.admission.decision import Outcome, Verdict
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.admission.replies import Status
from app.tenancy.model import Limits
from app.tenancy.periods import period_at
from tests.concurrency import admission_load as load
from tests.unit.admission.oracle import Oracle
from tests.unit.admission.world import SECOND_US, SIGNED_UP_ON, World, limits, principal, turn

PROCESSES_COUNT = 4

InEach = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    # Not forked: a copy of this process would share its connections.
    context = multiprocessing.get_context("spawn")
    all_processes = context.Barrier(PROCESSES_COUNT)
    with ProcessPoolExecutor(
        PROCESSES_COUNT, context, initializer=load.arrive, initargs=(all_processes,)
    ) as pool:
        # Starting a process takes longer than some tests run. The pool starts a process for each
        # task that finds none idle, and no process is idle until all have arrived.
        arrivals = [pool.submit(load.arrived) for _ in range(PROCESSES_COUNT)]
        assert all(arrival.result() for arrival in arrivals)
        yield pool


@pytest.fixture
def in_each(processes: ProcessPoolExecutor, fresh_redis_url: str) -> InEach:
    """A function that runs work in each process, each with its own arguments."""

    def run(work: Callable[..., Any], *arguments: tuple[Any, ...]) -> list[Any]:
        futures = [processes.submit(work, fresh_redis_url, *those) for those in arguments]
        return [future.result() for future in futures]

    return run


@pytest.mark.parametrize(("rate", "burst"), [(200, 20), (7, 3)])
def test_rate_holds_over_four_processes(
    live_redis: Redis, in_each: InEach, rate: int, burst: int
) -> None:
    seconds, microseconds = live_redis.time()
    until_us = (seconds + 1) * SECOND_US + microseconds
    in_force = limits(rate=rate, burst=burst)
    tries = sorted(chain(*in_each(load.hammer, *[(in_force, until_us)] * PROCESSES_COUNT)))
    elapsed_us = tries[-1].time_us - tries[0].time_us
    admitted_count = sum(not one.is_refused for one in tries)
    assert burst <= admitted_count <= burst + Fraction(rate * elapsed_us, SECOND_US)
    # Each answer must be the one that a single process would get at the same instant.
    assert [(one.is_refused, one.spent) for one in tries] == list(expected(in_force, tries))


def expected(in_force: Limits, tries: list[load.Try]) -> Iterator[tuple[bool, int]]:
    """Yield the oracle's exact answer at each instant of `tries`."""
    oracle = Oracle(tries[0].time_us)
    bucket = BucketPolicy.of(in_force)
    for one in tries:
        oracle.now = one.time_us
        quota = QuotaPolicy.of(in_force, period_at(SIGNED_UP_ON, one.time_us))
        reply = oracle.admit(bucket, quota, [])
        yield reply.status is Status.RATE_LIMITED, in_force.burst - reply.results[0]


@pytest.mark.parametrize(
    ("tries_count", "quota"), [(3_000, 250), pytest.param(12_000, 1_000, marks=pytest.mark.long)]
)
def test_tries_for_twelve_times_a_quota_admit_exactly_the_quota(
    live_redis: Redis, in_each: InEach, tries_count: int, quota: int
) -> None:
    in_force = limits(turns=quota, relationships=40)
    each_count = tries_count // PROCESSES_COUNT
    tries = [
        (in_force, [turn(f"turn_{process}_{number}") for number in range(each_count)])
        for process in range(PROCESSES_COUNT)
    ]
    verdicts = Counter(verdict for one in in_each(load.try_turns, *tries) for verdict in one)
    assert verdicts == {Verdict.CHARGED: quota, Verdict.TURNS_EXHAUSTED: tries_count - quota}
    assert World(live_redis).gate.quota(principal()).turns_used == quota


def test_uncharged_turns_stop_at_their_ceiling(live_redis: Redis, in_each: InEach) -> None:
    in_force = limits(uncharged=100)
    tries = [
        (in_force, [turn(f"turn_{process}_{number}", 0) for number in range(300)])
        for process in range(PROCESSES_COUNT)
    ]
    verdicts = Counter(verdict for one in in_each(load.try_turns, *tries) for verdict in one)
    assert verdicts == {Verdict.CHARGED: 100, Verdict.UNCHARGED_EXHAUSTED: 1_100}
    quota = World(live_redis).gate.quota(principal())
    assert (quota.turns_used, quota.uncharged_used) == (0, 100)


def test_relationships_stop_at_their_limit(live_redis: Redis, in_each: InEach) -> None:
    in_force = limits(relationships=25)
    tries = [
        (
            in_force,
            [turn(f"turn_{process}_{number}", 1, f"rel_{number % 100}") for number in range(300)],
        )
        for process in range(PROCESSES_COUNT)
    ]
    verdicts = [verdict for one in in_each(load.try_turns, *tries) for verdict in one]
    assert set(verdicts) == {Verdict.CHARGED, Verdict.RELATIONSHIPS_EXHAUSTED}
    quota = World(live_redis).gate.quota(principal())
    assert quota.relationships_used == 25
    assert quota.turns_used == verdicts.count(Verdict.CHARGED) == 25 * 3 * PROCESSES_COUNT


@pytest.mark.parametrize("turns_limit", [1, None])
def test_same_turn_at_once_is_one_charge_also_at_the_last_turn_of_the_quota(
    live_redis: Redis, in_each: InEach, turns_limit: int | None
) -> None:
    in_force = limits(turns=turns_limit, relationships=turns_limit)
    same = (in_force, turn("turn_a", 1, "rel_a"), 50)
    decisions = [one for each in in_each(load.same_turn, *[same] * 4) for one in each]
    items = [item for decision in decisions for item in decision.items]
    assert {decision.outcome for decision in decisions} == {Outcome.ADMITTED}
    assert Counter(item.verdict for item in items) == {Verdict.CHARGED: 1, Verdict.REPLAYED: 199}
    assert len({(item.recorded_at_us, item.relationship_counted) for item in items}) == 1
    assert World(live_redis).gate.quota(principal()).turns_used == 1
