"""Cases `batch` and `single`: recording over HTTP, beside the bare writes that it cannot spare.

Each side has a database of its own, empty at first, with the ledger's indexes and validator.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from app.interactions.schemas import MAX_PER_BATCH
from bench.ledger import Ledger, empty_ledger
from bench.loops import looping
from bench.pairs import Bar, Result, Sample, Side, alternated
from bench.posts import posted
from bench.processes import cpu_meter
from bench.sites import running, sample_of
from bench.sizes import Sizes
from bench.stage import Stage
from bench.turns import bodies
from bench.wrk import Load, loaded
from tests.servers import RunningService

PATH = "/v1/interactions"
BATCH = Bar(floor=0.35, goal=0.5)
SINGLE = Bar(floor=0.4, goal=0.5)
# Two batches for each worker: while one waits for the database the other is read.
BATCH_CONNECTIONS = 4
# More than can be recorded in a second.
BATCHES_PER_S, SINGLES_PER_S = 40, 3_000
# A thread of the service may wait for the database while others work; so may one of the peer.
THREADS = 8

Bodies = Callable[[], Sequence[bytes]]
# Loads an address with bodies.
Post = Callable[[str, Ledger, Sequence[bytes]], Load]


def run_batch(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Measure batches of 500 beside `insert_many` of 500 rows."""
    ours, theirs = empty_ledger(stage), empty_ledger(stage)
    bare = looping(
        stage,
        sizes,
        "inserts",
        units=MAX_PER_BATCH,
        url=theirs.environ["MONGODB_URI"],
        account=theirs.account,
    )
    with running(stage, ours) as service:
        pairs = alternated(batches(stage, service, ours, sizes), bare, sizes.pairs)
        yield Result("batch", "raw insert_many of 500", "turns/s", pairs, BATCH)


def run_single(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Measure one turn a request beside one `EVALSHA` and one `insert_one`."""
    ours, theirs = empty_ledger(stage), empty_ledger(stage)
    asked: dict[str, Any] = {
        "url": theirs.environ["MONGODB_URI"],
        "redis_url": stage.redis_url,
        "account": theirs.account,
        "organization_id": theirs.organization_id,
    }
    bare = looping(stage, sizes, "charges", threads=THREADS, **asked)
    with running(stage, ours) as service:
        pairs = alternated(singles(stage, service, ours, sizes), bare, sizes.pairs)
        yield Result("single", "raw evalsha + insert_one", "turns/s", pairs, SINGLE)


def batches(stage: Stage, site: RunningService, ledger: Ledger, sizes: Sizes) -> Side:
    """Measure turns a second that `site` records in batches of 500."""

    def make() -> list[bytes]:
        turns = list(bodies(BATCHES_PER_S * sizes.seconds * MAX_PER_BATCH))
        starts = range(0, len(turns), MAX_PER_BATCH)
        return [orjson.dumps({"interactions": turns[at : at + MAX_PER_BATCH]}) for at in starts]

    def post(url: str, ledger: Ledger, sent: Sequence[bytes]) -> Load:
        return posted(
            url, ledger.headers, sent, seconds=sizes.seconds, connections=BATCH_CONNECTIONS
        )

    return recorded(stage, site, ledger, f"{PATH}/batch", make, post, units=MAX_PER_BATCH)


def singles(stage: Stage, site: RunningService, ledger: Ledger, sizes: Sizes) -> Side:
    """Measure turns a second that `site` records one by one."""

    def make() -> list[bytes]:
        return [orjson.dumps(body) for body in bodies(SINGLES_PER_S * sizes.seconds)]

    def post(url: str, ledger: Ledger, sent: Sequence[bytes]) -> Load:
        seconds, connections = sizes.seconds, sizes.connections
        return loaded(url, ledger.headers, seconds=seconds, connections=connections, bodies=sent)

    return recorded(stage, site, ledger, PATH, make, post)


def recorded(
    stage: Stage,
    site: RunningService,
    ledger: Ledger,
    path: str,
    make: Bodies,
    post: Post,
    *,
    units: int = 1,
) -> Side:
    """Measure turns a second; AssertionError unless the ledger holds them all afterwards."""
    stored = stage.database(ledger.database)["interactions"]

    def sample() -> Sample:
        sent, before_count = make(), stored.count_documents({})
        meter = cpu_meter({"app": site.process_id, **stage.stores})
        load = post(site.base_url + path, ledger, sent)
        beside = meter(load.count * units)
        if stored.count_documents({}) - before_count < load.count * units or load.refused_count:
            raise AssertionError("not every turn that was answered is stored")
        return sample_of(load, beside, site, units=units)

    return sample
