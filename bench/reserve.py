"""Case `reserve`: `POST /v1/turns` on one account, beside what the closest peer has published.

The peer is Cycles 0.1.25.59 on 64 cores. Its table is fixed, so this ratio compares machines too.
After each sample the account's counters in Redis must agree with the reservations accepted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import orjson
from redis import Redis
from ulid import ULID

from app.admission.policy import MAX_HOLD_S
from bench.closedloop import replies_of
from bench.ledger import Ledger, empty_ledger
from bench.pairs import Bar, Result, Sample
from bench.processes import cpu_meter
from bench.sites import running, sample_of
from bench.sizes import Sizes
from bench.stage import Stage
from bench.wrk import Load
from tests.servers import RunningService

PATH = "/v1/turns"
PEER = "Cycles 0.1.25.59, published, 64 cores"
AHEAD = Bar(floor=1, goal=1.2)
NONE = Bar(floor=1, goal=1, is_cost=True)
# A limit that is checked by every reservation and never reached.
TURNS_COUNT = 100_000_000


@dataclass(frozen=True, slots=True)
class Published:
    """One row of the peer's table."""

    clients: int
    per_s: float
    p99_ms: float

    @property
    def sample(self) -> Sample:
        """The row as one side of a pair."""
        return Sample(self.per_s, {"p99_ms": self.p99_ms})


TABLE = (
    Published(1, 50, 32),
    Published(10, 430, 41),
    Published(50, 999, 114),
    Published(200, 928, 1_326),
)


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Reserve on one account with each number of clients of the table."""
    ledger = empty_ledger(stage, turns=TURNS_COUNT)
    with (
        running(stage, ledger) as service,
        Redis.from_url(stage.redis_url, decode_responses=True) as redis,
    ):
        _reserving(stage, service, ledger, redis, sizes, 1)  # loads the account's counters
        for row in TABLE:
            taken = [
                _reserving(stage, service, ledger, redis, sizes, row.clients)
                for _ in range(sizes.pairs + 1)
            ]
            case = f"reserve, clients: {row.clients}"
            # The first sample is no figure, but its counters must agree too.
            pairs = [(sample, row.sample) for sample, _ in taken[1:]]
            yield Result(case, PEER, "reservations/s", pairs, AHEAD)
            yield unanimous(case, [mismatches for _, mismatches in taken])


def unanimous(case: str, mismatches: Sequence[int]) -> Result:
    """Judge the sum of all mismatches: a median would hide a single one."""
    pair = Sample(sum(mismatches) + 1), Sample(1)
    return Result(f"{case}, mismatches", "none", "mismatches + 1", [pair], NONE)


def _reserving(
    stage: Stage,
    service: RunningService,
    ledger: Ledger,
    redis: Redis,
    sizes: Sizes,
    clients: int,
) -> tuple[Sample, int]:
    """Measure reservations a second, and those that the counters do not agree with."""
    before = counters_of(redis, ledger)
    meter = cpu_meter({"app": service.process_id, **stage.stores})
    replies = replies_of(
        service.base_url + PATH,
        ledger.headers,
        _bodies(),
        seconds=sizes.seconds,
        connections=clients,
    )
    accepted_count = accepted(replies.statuses)
    mismatches = mismatches_of(before, counters_of(redis, ledger), accepted_count)
    load = Load(accepted_count, replies.per_s, replies.ms(0.5), replies.ms(0.99), 0)
    return sample_of(load, meter(accepted_count), service), mismatches


def _bodies() -> Iterator[bytes]:
    """Yield reservations of new turns, held longer than a run lasts."""
    name = ULID()
    for number in count():
        yield orjson.dumps(
            {
                "turn_id": f"bench-{name}-{number}",
                "mode": "stateless",
                "personality_id": "pers_ada",
                "hold_seconds": MAX_HOLD_S,
            }
        )


def accepted(statuses: Counter[int]) -> int:
    """Return how many were accepted; AssertionError if one was not."""
    if set(statuses) != {201}:
        raise AssertionError(f"not every reservation was accepted: {dict(statuses)}")
    return statuses[201]


def counters_of(redis: Redis, ledger: Ledger) -> dict[str, int]:
    """Return the sums of the account's quota counters over its billing periods."""
    found: Counter[str] = Counter()
    # Its companions add a suffix to this name.
    for name in redis.scan_iter(f"quota:{{{ledger.organization_id}}}:live:????-??-??"):
        hashed = redis.hgetall(name)
        found.update({str(field): int(value) for field, value in hashed.items()})
    return found


def mismatches_of(before: Mapping[str, int], after: Mapping[str, int], accepted_count: int) -> int:
    """Return by how many turns the counters and the accepted reservations differ."""
    reserved, used = (
        after.get(name, 0) - before.get(name, 0) for name in ("turns_reserved", "turns_used")
    )
    return abs(reserved - accepted_count) + abs(used)
