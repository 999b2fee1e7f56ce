"""Redis loses its data under load: counters are loaded from the ledger, with bounded overshoot."""

import random
from collections.abc import Callable
from threading import Barrier, Thread

import pytest
from redis import Redis

from app.admission.decision import Decision, TurnCharge
from app.tenancy.model import Limits
from tests.unit.admission.world import KEYS, World, limits, principal, turn

THREADS_COUNT = 6
TURNS_COUNT = 120
MOST_IN_FLIGHT = 3

Wipe = Callable[[Redis], object]


class Producer(Thread):
    """Charges turns and stores them some requests later; sometimes a turn is never stored."""

    def __init__(self, number: int, world: World, in_force: Limits, start: Barrier) -> None:
        super().__init__()
        self.random = random.Random(number)  # noqa: S311 (a seed repeats the run)
        self.number = number
        self.world = world
        self.who = principal(in_force)
        self.barrier = start
        self.in_flight: list[tuple[Decision, TurnCharge]] = []

    def run(self) -> None:
        self.barrier.wait()
        for number in range(TURNS_COUNT):
            name = f"rel_{self.random.randrange(40)}"
            # One turn in four is sent by all producers.
            owner = "shared" if number % 4 == 0 else self.number
            charge = turn(f"turn_{owner}_{number}", 1, name if owner != "shared" else "rel_0")
            self.in_flight.append((self.world.gate.admit(self.who, [charge]), charge))
            while len(self.in_flight) > self.random.randrange(MOST_IN_FLIGHT):
                self.finish_one()
        while self.in_flight:
            self.finish_one()

    def finish_one(self) -> None:
        decision, charge = self.in_flight.pop(0)
        if self.random.random() < 0.95:
            self.world.store(self.who, decision, [charge])


def wipe_quota(client: Redis) -> object:
    return client.delete(KEYS.quota)


def wipe_relationships(client: Redis) -> object:
    return client.delete(KEYS.relationships)


def wipe_all(client: Redis) -> object:
    return client.flushdb()


def run_load(world: World, in_force: Limits, wipe: Wipe) -> None:
    """Run producers, and wipe each time that another 80 turns are stored; at least once."""
    barrier = Barrier(THREADS_COUNT)
    producers = [Producer(number, world, in_force, barrier) for number in range(THREADS_COUNT)]
    for producer in producers:
        producer.start()
    wiped_at = 0
    while any(producer.is_alive() for producer in producers):
        if len(world.ledger.rows) >= wiped_at + 80:
            wiped_at = len(world.ledger.rows)
            wipe(world.client)
        for producer in producers:
            producer.join(0.002)
    assert wiped_at


@pytest.mark.parametrize("wipe", [wipe_quota, wipe_relationships, wipe_all])
def test_counters_equal_the_ledger_after_one_pass(live_redis: Redis, wipe: Wipe) -> None:
    world = World(live_redis)
    run_load(world, limits(), wipe)
    world.reconcile()
    quota = world.gate.quota(principal())
    expected = dict(world.ledger.count_relationships(KEYS.account, KEYS.quota_period))
    assert quota.turns_used == world.ledger.count_turns(KEYS.account, KEYS.quota_period).charged
    assert (quota.relationships_used, world.references()) == (len(expected), expected)


def test_overshoot_is_at_most_the_turns_in_flight_at_a_wipe(live_redis: Redis) -> None:
    world = World(live_redis)
    wipes = iter([wipe_all])
    run_load(world, limits(turns=150), lambda client: [wipe(client) for wipe in wipes])
    stored = world.ledger.count_turns(KEYS.account, KEYS.quota_period).charged
    assert 100 < stored <= 150 + THREADS_COUNT * MOST_IN_FLIGHT
    world.reconcile()
    assert world.gate.quota(principal()).turns_used == stored
