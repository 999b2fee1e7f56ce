"""Case `list`: the newest page of 20, beside Fastify and beside a bare loop of the same query."""

from collections.abc import Iterator

import orjson

from app.interactions.ids import lowest_ulid
from app.interactions.retention import RETENTION_MS
from bench.fastify import PATH, running_fastify
from bench.ledger import full_ledger
from bench.loops import looping
from bench.pairs import Bar, Result, alternated
from bench.sites import get, getting, running
from bench.sizes import Sizes
from bench.stage import Stage
from tests.turns import now_ms

ABOVE_FASTIFY = Bar(floor=0.85, goal=1.25)
ABOVE_LOOP = Bar(floor=0.30, goal=0.50)
# One writes 1.0 where the other writes 1, and their cursors differ by some bytes.
MOST_OTHER_BYTES = 0.01


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Load the turns, start both services, then ask them and the loop in turn."""
    ledger = full_ledger(stage, sizes.turns)
    with running(stage, ledger) as service:
        ours = getting(service, PATH, ledger.headers, stage, sizes)
        with running_fastify(stage, ledger) as peer:
            require_same(
                get(service, PATH, ledger.headers).content, get(peer, PATH, ledger.headers).content
            )
            theirs = getting(peer, PATH, ledger.headers, stage, sizes)
            pairs = alternated(ours, theirs, sizes.pairs)
            yield Result("list", "Fastify", "requests/s", pairs, ABOVE_FASTIFY)
        first = lowest_ulid(now_ms() - RETENTION_MS)
        bare = looping(
            stage,
            sizes,
            "pages",
            url=ledger.environ["MONGODB_URI"],
            account=ledger.account,
            first=first,
        )
        yield Result(
            "list", "bare PyMongo", "pages/s", alternated(ours, bare, sizes.pairs), ABOVE_LOOP
        )


def require_same(ours: bytes, theirs: bytes) -> None:
    """Raise AssertionError unless both pages have the same turns, a cursor and as many bytes."""
    our, their = orjson.loads(ours), orjson.loads(theirs)
    if our["data"] != their["data"] or not (our["next_cursor"] and their["next_cursor"]):
        raise AssertionError("the peer answers another page")
    if abs(len(ours) - len(theirs)) > MOST_OTHER_BYTES * len(ours):
        raise AssertionError(f"the peer answers {len(theirs)} bytes and not {len(ours)}")
