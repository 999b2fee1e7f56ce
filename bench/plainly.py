"""Case `peers`: the newest page of 20, beside the same job as most teams would build it.

Both peers check a key by its digest, limit its rate in Redis, run the same query and answer the
same items. Each runs on the server that its users have.
"""

import sys
from collections.abc import Iterator

from bench.ledger import Ledger, full_ledger
from bench.listing import require_same
from bench.pairs import Bar, Result, Side, alternated
from bench.peers.page_job import KEYS, PATH, digest_of
from bench.sites import get, getting, running, running_peer, running_program
from bench.sizes import Sizes
from bench.stage import Stage
from tests.servers import RunningService

PLAIN = "bench.peers.plain_page:app"
ASYNC = "bench.peers.async_page"
ABOVE_PLAIN = Bar(floor=2.2, goal=2.5)
ABOVE_ASYNC = Bar(floor=1.7, goal=2.0)


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Load the turns, store the key where the peers look for it, then ask each beside us."""
    ledger = full_ledger(stage, sizes.turns)
    _store_key(stage, ledger)
    with running(stage, ledger) as service:
        ours = getting(service, PATH, ledger.headers, stage, sizes)
        with running_peer(stage, ledger, PLAIN) as peer:
            theirs = _same(service, peer, ledger, stage, sizes)
            pairs = alternated(ours, theirs, sizes.pairs)
            name = "Flask, flask-limiter, PyMongo, marshmallow"
            yield Result("peers", name, "requests/s", pairs, ABOVE_PLAIN)
        command = [sys.executable, "-m", ASYNC]
        with running_program(stage, command, ledger.environ, PATH, ledger.headers) as peer:
            theirs = _same(service, peer, ledger, stage, sizes)
            pairs = alternated(ours, theirs, sizes.pairs)
            name = "FastAPI, slowapi, async PyMongo, pydantic"
            yield Result("peers", name, "requests/s", pairs, ABOVE_ASYNC)


def _store_key(stage: Stage, ledger: Ledger) -> None:
    key = {"_id": digest_of(ledger.headers["Authorization"])}
    account = {"account": ledger.account}
    stage.client[ledger.database][KEYS].replace_one(key, account, upsert=True)


def _same(
    service: RunningService, peer: RunningService, ledger: Ledger, stage: Stage, sizes: Sizes
) -> Side:
    """Return the peer's side, after a check that it answers the same page."""
    pages = [get(site, PATH, ledger.headers).content for site in (service, peer)]
    require_same(*pages)
    return getting(peer, PATH, ledger.headers, stage, sizes)
