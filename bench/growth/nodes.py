"""Measure the cost of more nodes: Redis Cluster, Sentinel and replica set, beside one server.

The very clients of the service on each, taking turns. All nodes share this machine and its disk.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from time import perf_counter
from typing import Any

from redis import Redis
from redis.crc import key_slot

from app.admission.decision import Outcome, TurnCharge
from app.admission.operations import Charge
from app.interactions.store import Insertion
from app.tenancy.plans import load_plans
from app.wiring import build
from bench.growth.commandstats import script_calls
from bench.growth.organizations import population
from bench.pairs import Pair, Result, Sample, Side, alternated
from bench.processes import cpu_meter, cpu_s
from bench.stage import Stage
from bench.turns import rows
from config.settings import BackendKind
from devkit.bundled import running_mongod
from tests.faults.kit.mongodb_set import running_replica_set
from tests.faults.kit.redis_nodes import RedisNode, running_cluster, running_sentinels
from tests.schema import make_schema
from tests.servers import settings_for
from tests.turns import new_account, now_ms

ORGANIZATIONS_COUNT = 1_000
CALLS_COUNT = 1_200
BATCH_COUNT = 500
SINGLES_COUNT = 200
_turns = count(1)
Yielded = Result | list[dict[str, Any]]


def on_redis(stage: Stage, pairs: int) -> Iterator[Yielded]:
    """Measure the gate on a cluster of three and behind sentinels, beside one server."""
    with ExitStack() as stack:
        lone = stack.enter_context(Redis.from_url(stage.redis_url, protocol=2))
        theirs = stack.enter_context(_gate(stage, stage.redis_url, [lone]))
        cluster = stack.enter_context(running_cluster(stage.folder / "cluster", replicas_count=0))
        nodes = [stack.enter_context(_wide(node)) for node in cluster.nodes]
        ours = stack.enter_context(_gate(stage, cluster.url, nodes))
        yield from _both("Redis Cluster of 3", "one Redis", alternated(ours, theirs, pairs))
        yield list(_spread(nodes))
        watched = stack.enter_context(running_sentinels(stage.folder / "sentinels"))
        primary = stack.enter_context(_wide(watched.data[0]))
        ours = stack.enter_context(_gate(stage, watched.url, [primary]))
        yield from _both(
            "primary, replica, 3 sentinels", "one Redis", alternated(ours, theirs, pairs)
        )


def on_mongodb(stage: Stage, pairs: int) -> Iterator[Result]:
    """Measure a turn and a batch with `w: majority` on a set of three, beside one mongod."""
    with (
        running_mongod(stage.folder / "lone") as lone,
        running_replica_set(stage.folder / "set") as members,
    ):
        ids = [node.server.process.pid for node in members.nodes]
        for name, size, calls_count in (
            ("turn", 1, SINGLES_COUNT),
            (f"batch of {BATCH_COUNT}", BATCH_COUNT, 4),
        ):
            with (
                _storing(stage, members.uri, ids, size, calls_count) as ours,
                _storing(stage, lone.url, [lone.process.pid], size, calls_count) as theirs,
            ):
                found = alternated(ours, theirs, pairs)
            case, peer = f"replica set of 3, {name}", "one mongod"
            yield Result(case, peer, "ms an insert", found, None)
            yield Result(
                f"{case}, CPU", peer, "CPU s of mongod for 1,000", _of(found, "cpu_s"), None
            )


@contextmanager
def _wide(node: RedisNode) -> Iterator[Redis]:
    with Redis(port=node.port, protocol=2, decode_responses=True) as client:
        yield client


@contextmanager
def _gate(stage: Stage, redis_url: str, nodes: Sequence[Redis]) -> Iterator[Side]:
    """Measure microseconds of the script, by the servers, and of the call, and its CPU."""
    settings = settings_for(
        backend=BackendKind.LIVE, mongodb_uri=stage.url_of("nodes"), redis_url=redis_url
    )
    stage.furnished("nodes")
    services = build(settings)
    everybody = population(load_plans(settings.plans_file), ORGANIZATIONS_COUNT, seed=1).principals
    # A refusal does less work.
    principals = [each for each in everybody if each.plan != "free"]

    def sample() -> Sample:
        for node in nodes:
            node.config_resetstat()
        meter, start = cpu_meter({"app": os.getpid()}), perf_counter()
        for number in range(CALLS_COUNT):
            turn = TurnCharge(f"{next(_turns):016d}", 1, f"rel_{number % 50}")
            decision = services.rooms.admission.gate.decide(
                principals[number % len(principals)], Charge([turn])
            )
            assert decision.outcome is Outcome.ADMITTED, decision
        call_us = (perf_counter() - start) / CALLS_COUNT * 1_000_000
        calls_count, script_us = script_calls(nodes)
        assert calls_count >= CALLS_COUNT, f"{calls_count} calls on these nodes"
        return Sample(script_us, {"call_us": call_us, **meter(CALLS_COUNT)})

    try:
        yield sample
    finally:
        services.backend.close()


def _both(case: str, peer: str, pairs: Sequence[Pair]) -> Iterator[Result]:
    yield Result(f"{case}, script", peer, "µs a script", pairs, None)
    yield Result(f"{case}, call", peer, "µs a call", _of(pairs, "call_us"), None)
    unit = "CPU s of the caller for 1,000"
    yield Result(f"{case}, CPU", peer, unit, _of(pairs, "cpu_s_app"), None)


def _of(pairs: Sequence[Pair], name: str) -> list[Pair]:
    """Return the same pairs with another figure."""
    return [(Sample(ours.beside[name]), Sample(theirs.beside[name])) for ours, theirs in pairs]


def _spread(nodes: Sequence[Redis]) -> Iterator[dict[str, Any]]:
    """Yield organizations and keys of each node; AssertionError if one is on two nodes."""
    held: dict[str, set[int]] = {}
    for number, node in enumerate(nodes):
        names = list(node.scan_iter(match="*{org_*", count=1_000))
        own = Counter(name.partition("{")[2].partition("}")[0] for name in names)
        for name in names:
            held.setdefault(name.partition("{")[2].partition("}")[0], set()).add(
                key_slot(name.encode())
            )
        yield {"node": number + 1, "organizations": len(own), "keys": own.total()}
    assert all(len(slots) == 1 for slots in held.values()), "an organization has two slots"


@contextmanager
def _storing(
    stage: Stage, uri: str, process_ids: Sequence[int], size: int, calls_count: int
) -> Iterator[Side]:
    """Measure milliseconds of an insert of `size` turns by the service's client and store."""
    settings = settings_for(backend=BackendKind.LIVE, mongodb_uri=uri, redis_url=stage.redis_url)
    services = build(settings)
    store = services.rooms.interactions.store
    make_schema(services.backend.database)

    def sample() -> Sample:
        documents = list(rows(new_account(), now_ms(), 1, size * calls_count))
        batches = [documents[first : first + size] for first in range(0, len(documents), size)]
        before_s, start = sum(map(cpu_s, process_ids)), perf_counter()
        for batch in batches:
            assert set(store.insert_many(batch)) == {Insertion.STORED}
        taken_s = perf_counter() - start
        spent_s = sum(map(cpu_s, process_ids)) - before_s
        return Sample(
            taken_s / calls_count * 1_000,
            {"cpu_s": spent_s / calls_count * 1_000},
        )

    try:
        yield sample
    finally:
        services.backend.close()
