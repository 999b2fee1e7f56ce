"""Case `depth`: page 10,000 beside page 1 behind every filter, and the index keys each examines."""

from collections.abc import Iterator
from urllib.parse import urlencode

from app.http.instants import format_ms
from app.interactions.cursor import Cursor, Cursors
from app.interactions.ids import lowest_ulid
from app.interactions.model import Filters
from app.interactions.query_schemas import DEFAULT_PER_PAGE
from app.interactions.retention import RETENTION_MS
from app.interactions.store import chosen_by
from bench.fastify import PATH
from bench.ledger import PEOPLE, Ledger, full_ledger
from bench.pairs import Bar, Result, Sample, Side, alternated
from bench.sites import get, running
from bench.sizes import Sizes
from bench.stage import Rows, Stage
from bench.wrk import loaded
from tests.servers import CURSOR_SECRET, RunningService
from tests.turns import DAY_MS, now_ms

PAGE = 10_000
BAR = Bar(floor=1.15, goal=1.05, is_cost=True)
KEYS = Bar(floor=1, goal=1, is_cost=True)
USER, RELATIONSHIP = PEOPLE["user_id"], PEOPLE["relationship_id"]
# Few enough that nobody waits for a worker: what counts is how long one page takes.
CONNECTIONS = 2


def shapes() -> dict[str, Filters]:
    """Return filters for every index, and a range; instants are the same throughout a run."""
    from_ms, to_ms = now_ms() - RETENTION_MS + DAY_MS, now_ms() + DAY_MS
    people = {
        "no filter": Filters(),
        "user": Filters(USER),
        "relationship": Filters(None, RELATIONSHIP),
        "user and relationship": Filters(USER, RELATIONSHIP),
    }
    return people | {"range": Filters(None, None, from_ms, to_ms)}


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Load the turns, then ask for the first and a far page of each shape in turn."""
    ledger = full_ledger(stage, sizes.turns)
    database = stage.database(ledger.database)
    with running(stage, ledger) as service:
        for name, filters in shapes().items():
            number, last = _far(database, ledger, filters)
            near = _path(filters)
            far = _path(filters, _cursor(ledger, filters, last))
            sides = (paging(service, path, ledger, sizes) for path in (far, near))
            peer = f"page 1 ({name}, page {number:,})"
            yield Result("depth", peer, "ms p50", alternated(*sides, sizes.pairs), BAR)
            examined = [
                (_keys(database, service, path, ledger), Sample(DEFAULT_PER_PAGE + 1))
                for path in (near, far)
            ]
            yield Result("depth, keys", f"limit + 1 ({name})", "keys", examined, KEYS)


def paging(site: RunningService, path: str, ledger: Ledger, sizes: Sizes) -> Side:
    """Measure the median of milliseconds a page."""

    def sample() -> Sample:
        load = loaded(
            site.base_url + path, ledger.headers, seconds=sizes.seconds, connections=CONNECTIONS
        )
        if load.refused_count:
            raise AssertionError(f"{path}: {load.refused_count} were refused")
        return Sample(load.p50_ms, {"p99_ms": load.p99_ms})

    return sample


def _far(database: Rows, ledger: Ledger, filters: Filters) -> tuple[int, str]:
    """Return the number of a far page, up to 10,000, and the id before which it begins."""
    chosen, index = chosen_by(ledger.account, filters, lowest_ulid(0))
    rows = database["interactions"]
    count = rows.count_documents(chosen, hint=index)
    number = min(PAGE, count // DEFAULT_PER_PAGE - 1)
    skipped = (number - 1) * DEFAULT_PER_PAGE - 1
    found = rows.find(chosen, {"_id": 1}, hint=index).sort("_id", -1).skip(skipped).limit(1)
    return number, str(found[0]["_id"])


def _cursor(ledger: Ledger, filters: Filters, last_ulid: str) -> str:
    """Return the `next_cursor` of the page before."""
    now_us = now_ms() * 1_000
    cursors = Cursors((CURSOR_SECRET,))
    return cursors.write(Cursor(last_ulid, now_us), ledger.account, filters, now_us)


def _path(filters: Filters, cursor: str | None = None) -> str:
    query = {
        "user_id": filters.user_id,
        "relationship_id": filters.relationship_id,
        "from": filters.from_ms and format_ms(filters.from_ms),
        "to": filters.to_ms and format_ms(filters.to_ms),
        "cursor": cursor,
    }
    asked = urlencode({name: value for name, value in query.items() if value})
    return f"{PATH}?{asked}" if asked else PATH


def _keys(database: Rows, site: RunningService, path: str, ledger: Ledger) -> Sample:
    """Count the index keys that one request examines, by the database's profiler."""
    database.command("profile", 2)
    try:
        get(site, path, ledger.headers)
    finally:
        database.command("profile", 0)
    asked = {"command.find": "interactions"}
    (profile,) = database["system.profile"].find(asked).sort("ts", -1).limit(1)
    database["system.profile"].drop()
    return Sample(profile["keysExamined"], {"rows": profile["docsExamined"]})
