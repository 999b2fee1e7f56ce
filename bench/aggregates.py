"""Case `aggregates`: 180 days by day, beside reading 180 small documents.

Ours is what the route does between authentication and the response's headers: the service's answer,
its items, their JSON. A peer is one `find` in one batch to a list.
"""

import time
from collections.abc import Callable, Iterator
from os import getpid

import orjson

from app.interactions.model import Filters
from app.interactions.retention import RETENTION_DAYS
from app.usage.archive import Archiver
from app.usage.buckets import Grouping
from app.usage.items import aggregate_item
from app.usage.service import UsageService
from app.usage.store import UsageStore
from bench.pairs import Bar, Result, Sample, Side, alternated
from bench.processes import cpu_s, rss_mb
from bench.sizes import Sizes
from bench.stage import Rows, Stage
from bench.turns import rows
from tests.turns import DAY_MS, new_account, now_ms

DAYS_COUNT = RETENTION_DAYS
CALLS_COUNT = 30
BAR = Bar(floor=4, goal=2, is_cost=True)
# The fields of a day that give the same answer, apart from its percentiles.
SMALL = (
    *("by_status", "personalities", "emotions", "latency_sum_ms"),
    *("turns_consumed", "input_tokens", "output_tokens"),
)
# The fewest fields that describe a day.
TINY = ("turns_consumed",)


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Load and archive the turns, then ask."""
    account, end_ms = new_account(), now_ms() // DAY_MS * DAY_MS
    stage.load("aggregates", rows(account, end_ms - DAYS_COUNT * DAY_MS, DAYS_COUNT, sizes.turns))
    database = stage.furnished("aggregates")
    Archiver(UsageStore(database)).run()
    stage.rest("aggregates")
    ours = timed(answering(database, account, end_ms, sizes.turns), stage)
    for fields, bar in ((SMALL, BAR), (TINY, None)):
        theirs = timed(reading(database, account, fields), stage)
        peer = f"180 documents of {2 + len(fields)} fields"
        yield Result("aggregates", peer, "ms", alternated(ours, theirs, sizes.pairs), bar)
    stage.client.drop_database("aggregates")


def answering(database: Rows, account: str, end_ms: int, turns: int) -> Callable[[], bytes]:
    """Return the service's answer as JSON."""
    service, asked = UsageService(UsageStore(database)), Filters(to_ms=end_ms)

    def answer() -> bytes:
        slices = service.aggregates(account, asked, Grouping.DAY, end_ms)
        return orjson.dumps({"data": [aggregate_item(each) for each in slices]})

    if sum(item["total_turns"] for item in orjson.loads(answer())["data"]) != turns:
        raise AssertionError("the answer does not hold every turn")
    return answer


def reading(database: Rows, account: str, fields: tuple[str, ...]) -> Callable[[], int]:
    """Read a collection that has only these fields of each day, as a list."""
    small = database[f"small_{len(fields)}"]
    shown = dict.fromkeys(("account", "day", *fields), 1)
    small.insert_many(database["usage_daily"].find({"account": account}, {"_id": 0} | shown))
    small.create_index([("account", 1), ("day", 1)], unique=True)
    chosen = {"account": account, "day": {"$gte": "2020-01-01", "$lte": "2999-12-31"}}
    return lambda: len(list(small.find(chosen).sort("day", 1).batch_size(DAYS_COUNT + 1)))


def timed(call: Callable[[], object], stage: Stage) -> Side:
    """Measure milliseconds a call, the mean of `CALLS_COUNT`, and CPU of both processes."""
    watched = {"app": getpid(), "mongod": stage.mongod_id}

    def sample() -> Sample:
        before = {name: cpu_s(process) for name, process in watched.items()}
        start = time.perf_counter()
        for _ in range(CALLS_COUNT):
            call()
        figure = (time.perf_counter() - start) / CALLS_COUNT * 1_000
        return Sample(
            figure,
            {
                f"cpu_ms_{name}": (cpu_s(process) - before[name]) / CALLS_COUNT * 1_000
                for name, process in watched.items()
            }
            | {f"rss_mb_{name}": rss_mb(process) for name, process in watched.items()},
        )

    return sample
