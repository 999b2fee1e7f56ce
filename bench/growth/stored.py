"""Measure the cost of one more turn in MongoDB: bytes by index, and time.

One collection grows as a ledger grows, with its indexes and its validator, by turns of many
organizations in the order of time, each as it is once it is archived.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice, pairwise
from random import Random
from typing import Any

from bench.growth.organizations import EXPONENT
from bench.processes import cpu_s
from bench.stage import CHUNK_COUNT, Rows, Stage
from bench.turns import Row, rows
from tests.turns import DAY_MS, new_account, now_ms

DAYS_COUNT = 179
ACCOUNTS_COUNT = 1_000
_NAME = "stored"
Figures = dict[str, Any]


def run(
    stage: Stage, sizes: Sequence[int], cache_mb: int = 256
) -> Iterator[tuple[Figures, Figures]]:
    """Yield, for each size, the cost of inserts since the size before, and bytes by index."""
    stage.client.admin.command(
        "setParameter", 1, wiredTigerEngineRuntimeConfig=f"cache_size={cache_mb}M"
    )
    database, arriving = stage.furnished(_NAME), _archived(max(sizes))
    for before, size in pairwise([0, *sorted(sizes)]):
        spent = _inserted(stage, database, arriving, size - before)
        overall, by_index = _bytes_each(stage, database, size)
        yield {"turns": size, **spent, **overall}, {"turns": size, **by_index}
    stage.client.drop_database(_NAME)


def _archived(count: int) -> Iterator[Row]:
    """Make archived turns of many accounts."""
    random = Random(count)  # noqa: S311
    accounts = [new_account() for _ in range(ACCOUNTS_COUNT)]
    weights = list(accumulate(rank**-EXPONENT for rank in range(1, ACCOUNTS_COUNT + 1)))
    first_ms, expires_at = now_ms() - DAYS_COUNT * DAY_MS, datetime.now(UTC) + timedelta(days=90)
    for row in rows(accounts[0], first_ms, DAYS_COUNT, count):
        del row["open"]
        (account,) = random.choices(accounts, cum_weights=weights)
        yield row | {"account": account, "expires_at": expires_at}


def _inserted(stage: Stage, database: Rows, arriving: Iterator[Row], count: int) -> Figures:
    """Store the next turns; measure milliseconds and mongod's CPU for each 1,000."""
    waited_s, before_s, left_count = 0.0, cpu_s(stage.mongod_id), count
    while left_count:
        chunk = list(islice(arriving, min(CHUNK_COUNT, left_count)))
        start = time.perf_counter()
        database["interactions"].insert_many(chunk, ordered=False)
        waited_s += time.perf_counter() - start
        left_count -= len(chunk)
    cpu_ms = (cpu_s(stage.mongod_id) - before_s) * 1_000
    return {
        "insert_many, ms a 1,000": round(waited_s / count * 1_000_000, 1),
        "mongod CPU ms a 1,000": round(cpu_ms / count * 1_000, 1),
    }


def _bytes_each(stage: Stage, database: Rows, count: int) -> tuple[Figures, Figures]:
    # Sizes are those of files, which follow at a checkpoint.
    stage.client.admin.command("fsync")
    stats: Figures = database.command("collStats", "interactions")
    overall = {
        "row bytes, BSON": round(stats["size"] / count),
        "row bytes, on disk": round(stats["storageSize"] / count),
        "index bytes, on disk": round(stats["totalIndexSize"] / count),
    }
    return overall, {name: round(size / count) for name, size in stats["indexSizes"].items()}
