"""Calls of Redis: one call for a request, keys that an operator can read and that expire."""

import threading
from collections.abc import Iterator

from redis import Redis
from redis.crc import key_slot

from app.admission.decision import Outcome
from tests.unit.admission.world import (
    KEYS,
    NOON_US,
    PERIOD,
    World,
    limits,
    principal,
    turn,
)

END = "end of the watch"


def watched(redis_url: str) -> Iterator[tuple[str, bool]]:
    """Yield the commands that reach the server until `END`, and True if a script sent them."""
    with Redis.from_url(redis_url, decode_responses=True) as client, client.monitor() as monitor:
        yield "", False
        for command in monitor.listen():
            if END in command["command"]:
                return
            yield command["command"].split()[0], command["client_type"] == "lua"


def test_request_is_one_call_and_nothing_else(live_world: World, live_redis_url: str) -> None:
    live_world.record(principal(), turn("turn_first", 1, "rel_a"))
    monitor = watched(live_redis_url)
    next(monitor)
    for number in range(50):
        live_world.gate.enter(principal())
        live_world.gate.admit(principal())
        live_world.gate.admit(principal(), [turn(f"turn_{number}", 1, "rel_a"), turn("turn_z")])
    live_world.client.echo(END)
    assert [name for name, is_of_script in monitor if not is_of_script] == ["EVALSHA"] * 150


def test_forgotten_script_is_loaded_again_unnoticed(world: World) -> None:
    for number in range(6):
        if number % 2:
            world.client.script_flush()
        decision = world.gate.admit(principal(), [turn(f"turn_{number}")])
        assert decision.quota is not None
        assert decision.quota.turns_used == number + 1


def test_every_key_expires_and_shares_the_slot_of_its_organization(world: World) -> None:
    decision = world.record(principal(), turn("turn_a", 1, "rel_a"), turn("turn_b", 1, "rel_b"))
    world.gate.refund(principal(), decision, [decision.items[0]])
    world.gate.reserve(principal(), turn("turn_r"), 60_000_000)
    world.reconcile()
    names = list(world.client.scan_iter())
    assert set(names) == set(KEYS.for_script)
    assert len({key_slot(name.encode()) for name in [*names, KEYS.seeding, KEYS.staging("x")]}) == 1
    kept_ms = (PERIOD.end_us - NOON_US) // 1000 + 3 * 86_400_000
    for name in names:
        assert 0 < world.client.pttl(name) <= kept_ms


def test_counters_of_an_ended_period_expire_too(world: World) -> None:
    decision = world.gate.admit(principal(), [turn("turn_a")])
    world.hand.us = PERIOD.end_us + 30 * 86_400_000_000
    world.gate.refund(principal(), decision, [decision.items[0]])
    world.reconcile()
    for name in world.client.scan_iter("quota:*"):
        assert 0 < world.client.pttl(name) <= 1_000


def test_one_read_shows_an_operator_all(world: World) -> None:
    who = principal(limits(turns=50, relationships=7))
    decision = world.gate.admit(who, [turn("turn_a", 2, "rel_a")])
    (item,) = decision.items
    assert world.client.hgetall(KEYS.quota) == {
        "turns_used": "2",
        "turns_reserved": "0",
        "turns_limit": "50",
        "relationships_used": "1",
        "relationships_limit": "7",
        "reservations": "0",
        "remembered": "1",
        "period_start": str(PERIOD.start_us),
        "period_end": str(PERIOD.end_us),
        "generation": str(decision.generation),
        "mark_at": str(decision.generation),
        "mark_used": "0",
        "settled_at": str(decision.generation),
        "clock_at": str(item.recorded_at_us),
        "uncharged_used": "0",
        "uncharged_limit": "50",
        "mark_uncharged": "0",
    }
    assert world.client.hgetall(KEYS.for_script[3]) == {
        "turn_a": f"charged 2 {item.recorded_at_us} 1 rel_a"
    }


def test_threads_of_one_worker_share_a_gate(live_redis: Redis) -> None:
    world = World(live_redis)
    outcomes: list[Outcome] = []

    def hammer(first: int) -> None:
        for number in range(50):
            decision = world.gate.admit(principal(), [turn(f"turn_{first}_{number}")])
            outcomes.append(decision.outcome)

    threads = [threading.Thread(target=hammer, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [Outcome.ADMITTED] * 400
    assert world.gate.quota(principal()).turns_used == 400
