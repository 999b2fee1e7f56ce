"""Measure the cost of authentication: a key in a worker's cache, and one that it must look up.

A worker caches a key for two seconds. When organizations are many and each asks seldom, nearly
every request is the first of its key.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from time import perf_counter

from app.http.application import provided
from app.tenancy.authentication import Authenticator
from app.tenancy.plans import load_plans
from app.tenancy.store import TenancyStore
from bench.pairs import Result, Sample, Side, alternated
from bench.processes import cpu_meter
from bench.stage import Stage
from tests.callers import app_on, new_caller
from tests.servers import PEPPER, settings_for

KEYS_COUNT = 200
CALLS_COUNT = 2_000
FOREVER_S, NEVER_S = 3_600.0, 0.0


def run(stage: Stage, pairs: int) -> Iterator[Result]:
    """Ask with a different key each time, beside the same key again and again."""
    with app_on(stage.url_of("keys"), stage.redis_url) as app:
        tokens = [new_caller(app).token for _ in range(KEYS_COUNT)]
        with app.app_context():
            store = provided(TenancyStore)
        ours = asking(stage, store, tokens, NEVER_S)
        theirs = asking(stage, store, tokens[:1], FOREVER_S)
        found = alternated(ours, theirs, pairs)
    yield Result("a key that is looked up", "one that is cached", "µs a call", found, None)


def asking(stage: Stage, store: TenancyStore, tokens: Sequence[str], cache_seconds: float) -> Side:
    """Measure microseconds to authenticate, and CPU of this process and of mongod."""
    plans = load_plans(settings_for().plans_file)
    authenticator = Authenticator(
        store,
        plans,
        [PEPPER],
        cache_seconds=cache_seconds,
        require_store=lambda: None,
        note_use=lambda *_: None,
    )
    headers = [f"Bearer {token}" for token in tokens]

    def sample() -> Sample:
        meter, start = cpu_meter({"app": os.getpid(), "mongod": stage.mongod_id}), perf_counter()
        for header in islice(cycle(headers), CALLS_COUNT):
            authenticator.authenticate(header)
        taken_us = (perf_counter() - start) / CALLS_COUNT * 1_000_000
        return Sample(taken_us, meter(CALLS_COUNT))

    return sample
