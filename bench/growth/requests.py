"""The usual requests over HTTP under full load, and what one of them costs each process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from time import perf_counter

import httpx
import orjson

from bench.ledger import Ledger
from bench.pairs import Sample, Side
from bench.processes import cpu_meter
from bench.sites import getting, sample_of
from bench.sizes import Sizes
from bench.stage import Stage
from bench.turns import bodies
from bench.wrk import loaded
from tests.servers import RunningService, running_service

READING = {"GET /v1/me": "/v1/me", "list page of 20": "/v1/interactions?limit=20"}
RECORDING = "POST /v1/interactions"
BATCH_COUNT = 500
BATCH = f"batch of {BATCH_COUNT}"
KINDS = (*READING, RECORDING, BATCH)
# More than any machine can send in a second.
MOST_PER_S = 4_000
# A batch takes a good part of a second: they are counted out, so that none is cut off.
BATCHES_A_SECOND = 4
BATCH_THREADS_COUNT = 4
_numbers = count(1)


@contextmanager
def running_workers(stage: Stage, ledger: Ledger, workers_count: int) -> Iterator[RunningService]:
    """Run the service on a ledger with so many workers."""
    log = stage.folder / f"growth_{next(_numbers)}.log"
    with running_service(ledger.environ, log, workers_count=workers_count) as service:
        yield service


def asking(kind: str, site: RunningService, ledger: Ledger, stage: Stage, sizes: Sizes) -> Side:
    """Measure requests a second of a kind, and CPU seconds for each 1,000."""
    if kind in READING:
        return getting(site, READING[kind], ledger.headers, stage, sizes)
    if kind == RECORDING:
        return _recording(site, ledger, stage, sizes)
    return _batching(site, ledger, stage, sizes)


def _recording(site: RunningService, ledger: Ledger, stage: Stage, sizes: Sizes) -> Side:
    """Record one new turn a request; AssertionError if one is refused."""

    def sample() -> Sample:
        payloads = [orjson.dumps(body) for body in bodies(sizes.seconds * MOST_PER_S)]
        meter = cpu_meter({"app": site.process_id, **stage.stores})
        load = loaded(
            site.base_url + "/v1/interactions",
            ledger.headers,
            seconds=sizes.seconds,
            connections=sizes.connections,
            bodies=payloads,
        )
        assert not load.refused_count, f"{load.refused_count} recordings were refused"
        return sample_of(load, meter(load.count), site)

    return sample


def _batching(site: RunningService, ledger: Ledger, stage: Stage, sizes: Sizes) -> Side:
    """Record batches of new turns; AssertionError if a turn is not created."""
    batches_count = sizes.seconds * BATCHES_A_SECOND

    def sample() -> Sample:
        payloads, turns = [], bodies(batches_count * BATCH_COUNT)
        for _ in range(batches_count):
            batch = [next(turns) for _ in range(BATCH_COUNT)]
            payloads.append(orjson.dumps({"interactions": batch}))
        meter = cpu_meter({"app": site.process_id, **stage.stores})
        started = perf_counter()
        with (
            httpx.Client(base_url=site.base_url, headers=ledger.headers, timeout=60) as client,
            ThreadPoolExecutor(BATCH_THREADS_COUNT) as pool,
        ):
            created = sum(pool.map(lambda body: _created_count(client, body), payloads))
        taken_s = perf_counter() - started
        assert created == batches_count * BATCH_COUNT, f"only {created} turns were created"
        return Sample(batches_count / taken_s, meter(batches_count))

    return sample


def _created_count(client: httpx.Client, body: bytes) -> int:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/interactions/batch", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return sum(result["status"] == "created" for result in answer.json()["results"])
