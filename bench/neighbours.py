"""Case `neighbours`: how long a calm client waits beside hostile ones, and alone.

The calm client asks at an even pace, 200 times a second, for `/healthz` and with a key of its own
for `/v1/me`. The hostile clients come from another address. Where they have a key it is another
organization's.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

import orjson

from app.tenancy.plans import MAX_BURST
from bench.admission import PATH as ME
from bench.hostile_clients import KINDS
from bench.ledger import Ledger, full_ledger
from bench.openloop import TIMEOUT_S, Answers, offered
from bench.pairs import Bar, Pair, Result, Sample
from bench.processes import await_rest
from bench.sites import running
from bench.sizes import Sizes
from bench.stage import Stage
from tests.callers import app_on, new_caller
from tests.servers import ROOT, RunningService

HEALTH = "/healthz"
PATHS = (ME, HEALTH)
PACE_PER_S = 200
CONNECTIONS = 16
# Longer, and the server would end the first silent clients before the last answer.
MOST_SECONDS = 10
MOST_SETTLE_S = 20
BAR = Bar(floor=3, goal=1.5, is_cost=True)

Calm = Mapping[str, Sample]


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Measure the calm client alone and beside each kind of hostile clients, alternately."""
    ledger = full_ledger(stage, sizes.turns)
    headers = _other_headers(stage, ledger)
    seconds = min(sizes.seconds, MOST_SECONDS)
    with running(stage, ledger) as service:
        _calm(service, headers, seconds)  # its first requests do not count
        for kind in KINDS:
            found = [_pairs(service, kind, ledger, headers, seconds) for _ in range(sizes.pairs)]
            for path in PATHS:
                pairs = [each[path] for each in found]
                yield Result(f"neighbours, {path}, p99", kind, "ms, beside : alone", pairs, BAR)


def _other_headers(stage: Stage, ledger: Ledger) -> dict[str, str]:
    """Return the key of another organization in the same database."""
    with app_on(ledger.environ["MONGODB_URI"], stage.redis_url) as app:
        return new_caller(app, requests_per_second=MAX_BURST, burst=MAX_BURST).headers


def _pairs(
    service: RunningService, kind: str, ledger: Ledger, headers: dict[str, str], seconds: int
) -> dict[str, Pair]:
    alone = _calm(service, headers, seconds)
    with hostile_clients(service, kind, ledger.headers["Authorization"]):
        # Clients that never read are answered like any other until their buffers are full.
        with suppress(AssertionError):
            await_rest(service.process_id, MOST_SETTLE_S)
        beside = _calm(service, headers, seconds)
    await_rest(service.process_id)
    return {path: (beside[path], alone[path]) for path in PATHS}


def _calm(service: RunningService, headers: dict[str, str], seconds: int) -> Calm:
    """Measure the p99 of each path."""
    found = {}
    for path in PATHS:
        answers = offered(
            service.base_url + path,
            headers if path == ME else {},
            rate_per_s=PACE_PER_S,
            seconds=seconds,
            connections=CONNECTIONS,
        )
        found[path] = sample_of(answers, PACE_PER_S * seconds)
    return found


def sample_of(answers: Answers, due_count: int) -> Sample:
    """Return the p99; a request that gave up counts with the time that it waited.

    AssertionError if one was refused.
    """
    if answers.refused_count:
        raise AssertionError(f"{answers.refused_count} requests of the calm client were refused")
    given_up_count = due_count - len(answers.took_s)
    whole = replace(answers, took_s=[*answers.took_s, *[TIMEOUT_S] * given_up_count])
    return Sample(whole.ms(0.99), {"p50_ms": whole.ms(0.5), "given_up": given_up_count})


@contextmanager
def hostile_clients(service: RunningService, kind: str, key: str) -> Iterator[None]:
    """Hostile clients of `kind` for as long as the block; AssertionError unless all connect."""
    asked = orjson.dumps({"kind": kind, "url": service.base_url, "key": key}).decode()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.hostile_clients", asked],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                raise AssertionError(f"the hostile clients could not connect: {kind}")
            yield
        finally:
            left, _ = process.communicate()
    require_all(kind, orjson.loads(left))


def require_all(kind: str, left: Mapping[str, int]) -> None:
    """Raise AssertionError if fewer connections were made than `kind` has."""
    if left["opened"] < KINDS[kind].count:
        raise AssertionError(f"{kind}: only {left['opened']} connections, {left['failed']} failed")
