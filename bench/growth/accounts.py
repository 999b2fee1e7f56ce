"""Measure the cost of one more organization in Redis: time of the script, bytes of its keys.

Each size lives in a Redis database of its own, so that sizes are compared within one run: so many
accounts with counters, of which random ones get a turn each.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from random import Random
from time import perf_counter
from typing import Any

from redis import Redis
from ulid import ULID

from app.admission.chunks import chunked
from app.admission.decision import TurnCharge
from app.admission.keys import AccountKeys
from app.admission.ledger import LedgerCount
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.admission.relationships import RelationshipNames
from app.admission.replies import Status
from app.admission.script import AdmissionScript
from app.tenancy.model import Limits
from app.tenancy.periods import period_at
from app.tenancy.plans import MAX_BURST
from bench.growth.commandstats import script_calls
from bench.pairs import Result, Sample, Side, alternated
from bench.processes import cpu_meter
from bench.stage import Stage
from tests.turns import now_ms

IDLE = "bytes, idle"
CALLS_COUNT = 5_000
SAMPLED_COUNT = 100
FURTHER_COUNT = 50
# An account that is chosen again has mostly met this one before.
RELATIONSHIPS_COUNT = 50
_LIMITS = Limits(MAX_BURST, MAX_BURST, turns=None, active_relationships=None)
_SIGNED_UP_ON = date(2026, 1, 5)
_BUCKET = BucketPolicy.of(_LIMITS)


class Accounts:
    """Accounts with counters in one Redis database."""

    def __init__(self, client: Redis, accounts_count: int, relationships_count: int = 0) -> None:
        period = period_at(_SIGNED_UP_ON, now_ms() * 1_000)
        self._quota = QuotaPolicy.of(_LIMITS, period)
        self._client = client
        self._script = AdmissionScript(client, RelationshipNames("id key of the bench"))
        self._accounts = [
            AccountKeys(f"org_{ULID()}", "live", period.label) for _ in range(accounts_count)
        ]
        for keys in self._accounts:
            self._seed(keys, relationships_count)
        self._random, self._turns_count = Random(accounts_count), 0  # noqa: S311

    def bytes_each(self) -> dict[str, int]:
        """Measure bytes of the keys of an account: idle, by its first turn, by each further one."""
        chosen = self._accounts[:SAMPLED_COUNT]
        idle = self.idle_bytes(SAMPLED_COUNT)
        for keys in chosen:
            self._admit(keys, "rel_first")
        first = self._bytes_of(chosen)
        for keys in chosen * FURTHER_COUNT:
            self._admit(keys, "rel_first")
        further = (self._bytes_of(chosen) - first) / FURTHER_COUNT
        return {
            IDLE: round(idle / len(chosen)),
            "its first turn adds": round((first - idle) / len(chosen)),
            "a further turn adds, for 5 minutes": round(further / len(chosen)),
        }

    def idle_bytes(self, at_most: int) -> int:
        """Measure bytes of the keys of so many accounts."""
        return self._bytes_of(self._accounts[:at_most])

    def admitting(self, redis_id: int, calls_count: int = CALLS_COUNT) -> Side:
        """Measure microseconds of the script, by the server, for a turn of a random account."""

        def sample() -> Sample:
            chosen = self._random.choices(self._accounts, k=calls_count)
            self._client.config_resetstat()
            meter, start = cpu_meter({"redis": redis_id}), perf_counter()
            for keys in chosen:
                self._admit(keys)
            call_us = (perf_counter() - start) / calls_count * 1_000_000
            _, script_us = script_calls([self._client])
            return Sample(script_us, {"call_us": call_us, **meter(calls_count)})

        return sample

    def _bytes_of(self, accounts: Sequence[AccountKeys]) -> int:
        pipeline = self._client.pipeline(transaction=False)
        for keys in accounts:
            for name in keys.for_script:
                pipeline.memory_usage(name, samples=0)
        return sum(size or 0 for size in pipeline.execute())

    def _seed(self, keys: AccountKeys, relationships_count: int) -> None:
        staging = keys.staging("bench")
        names = ((f"rel_{number}", 1) for number in range(relationships_count))
        for chunk in chunked(names):
            self._client.hset(staging, mapping=dict(chunk))
        reply = self._script.seed(
            keys,
            self._quota,
            counted=LedgerCount(relationships_count, 0),
            newest_recorded_at_us=0,
            relationships_count=relationships_count,
            staging_key=staging,
        )
        assert reply.status is Status.DONE, reply

    def _admit(self, keys: AccountKeys, relationship_id: str = "") -> None:
        self._turns_count += 1
        chosen = relationship_id or f"rel_{self._turns_count % RELATIONSHIPS_COUNT}"
        turn = TurnCharge(f"{self._turns_count:016d}", 1, chosen)
        reply = self._script.admit(keys, _BUCKET, self._quota, [turn])
        assert reply.status is Status.DONE, reply


def run(
    stage: Stage, sizes: Sequence[int], pairs: int, relationships_count: int
) -> Iterator[Result | list[dict[str, Any]]]:
    """Yield the table of bytes, then each size beside the smallest, then one enormous account."""
    populations = {
        size: Accounts(_client(stage, number), size) for number, size in enumerate(sorted(sizes))
    }
    giant = Accounts(_client(stage, len(sizes)), 1, relationships_count)
    table = [{"accounts": size, **accounts.bytes_each()} for size, accounts in populations.items()]
    giants_name = f"1 with {relationships_count:,} relationships"
    yield [*table, dict.fromkeys(table[0]) | {"accounts": giants_name, IDLE: giant.idle_bytes(1)}]
    smallest, *larger = populations
    theirs = populations[smallest].admitting(stage.redis_id)
    others = [(f"accounts, {size:,}", populations[size]) for size in larger]
    for name, accounts in [*others, (f"account with {relationships_count:,} relationships", giant)]:
        found = alternated(accounts.admitting(stage.redis_id), theirs, pairs)
        yield Result(name, f"{smallest:,} accounts", "µs a script", found, None)


def _client(stage: Stage, number: int) -> Redis:
    url = stage.redis_url.removesuffix("/0") + f"/{number}"
    return Redis.from_url(url, protocol=2, decode_responses=True)
