"""Case `admission`: `GET /v1/me` with everything on, beside flask-limiter and beside bare Flask.

Peers answer a static body of the same length. How often Redis is asked is counted apart from load.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from redis import Redis

from bench.ledger import Ledger, empty_ledger
from bench.pairs import Bar, Result, Sample, alternated
from bench.sites import get, getting, running, running_peer
from bench.sizes import Sizes
from bench.stage import Stage
from tests.servers import RunningService

PATH = "/v1/me"
LIMITED = "bench.peers.limited:app"
HELLO = "bench.peers.hello:app"
FIXED, SLIDING = "fixed-window", "sliding-window-counter"
ABOVE_LIMITER = Bar(floor=1.3, goal=2.0)
ABOVE_HELLO = Bar(floor=0.35, goal=0.50)
# One call beside its three.
CALLS = Bar(floor=0.34, goal=0.34, is_cost=True)
COUNTED = 200
WARM_COUNT = 50
PEERS = (
    (f"flask-limiter {FIXED}", LIMITED, FIXED, ABOVE_LIMITER),
    (f"flask-limiter {SLIDING}", LIMITED, SLIDING, None),
    ("bare Flask hello", HELLO, "", ABOVE_HELLO),
)


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Start the service and every peer, count calls while all is quiet, then ask them in turn."""
    ledger = empty_ledger(stage)
    with ExitStack() as stack:
        service = stack.enter_context(running(stage, ledger))
        body = get(service, PATH, ledger.headers).text
        started = []
        for name, application, strategy, bar in PEERS:
            more = {"BENCH_BODY": "x" * len(body), "BENCH_STRATEGY": strategy}
            peer = stack.enter_context(running_peer(stage, ledger, application, **more))
            _require_as_long(get(peer, PATH, ledger.headers).text, body)
            started.append((name, strategy, peer, bar))
        for name, strategy, peer, _ in started:
            if strategy:
                asked = [(_calls(stage, service, ledger), _calls(stage, peer, ledger))]
                bar = CALLS if strategy == FIXED else None
                yield Result("admission, Redis calls", name, "calls/request", asked, bar)
        ours = getting(service, PATH, ledger.headers, stage, sizes)
        for name, _, peer, bar in started:
            theirs = getting(peer, PATH, ledger.headers, stage, sizes)
            pairs = alternated(ours, theirs, sizes.pairs)
            yield Result("admission", name, "requests/s", pairs, bar)


def _require_as_long(theirs: str, ours: str) -> None:
    if len(theirs) != len(ours):
        raise AssertionError(f"the peer's body has {len(theirs)} bytes and not {len(ours)}")


def _calls(stage: Stage, site: RunningService, ledger: Ledger) -> Sample:
    """Count calls to Redis for each request, and their commands, also those in scripts."""
    with Redis.from_url(stage.redis_url, decode_responses=True) as redis:
        for _ in range(WARM_COUNT):  # so that every worker has its connection
            get(site, PATH, ledger.headers)
        redis.config_resetstat()
        reads = _reads_count(redis)
        for _ in range(COUNTED):
            get(site, PATH, ledger.headers)
        stats: dict[str, Any] = redis.info("commandstats")
        # Each of these questions of ours is one read, too.
        figure = (_reads_count(redis) - reads - 2) / COUNTED
    did = {
        name.removeprefix("cmdstat_"): stat["calls"] / COUNTED
        for name, stat in stats.items()
        if not name.endswith(("info", "config|resetstat"))
    }
    return Sample(figure, did)


def _reads_count(redis: Redis) -> int:
    stats: dict[str, Any] = redis.info("stats")
    return int(stats["total_reads_processed"])
