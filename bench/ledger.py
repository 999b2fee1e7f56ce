"""A ledger to read from: an organization without narrow limits, its key, and as many turns."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count

from app.tenancy.plans import MAX_BURST
from bench.stage import Stage
from bench.turns import Row, rows
from tests.callers import Caller, app_on, new_caller
from tests.servers import environ_for
from tests.turns import DAY_MS, now_ms

DAYS_COUNT = 179
# Has a turn in two of the account's, so that there are deep pages behind every filter.
PEOPLE = {"mode": "stateful", "user_id": "u_busy", "relationship_id": "rel_busy"}
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A database with one organization, and its key."""

    database: str
    environ: dict[str, str]
    account: str
    organization_id: str
    headers: dict[str, str]


def empty_ledger(stage: Stage, **limits: int) -> Ledger:
    """Make an organization without turns; `limits` replace its enormous bucket."""
    name = f"ledger_{next(_numbers)}"
    url = stage.url_of(name)
    with app_on(url, stage.redis_url) as app:
        wide = {"requests_per_second": MAX_BURST, "burst": MAX_BURST}
        caller = new_caller(app, **wide | limits)
        return _ledger(stage, name, caller)


@cache
def full_ledger(stage: Stage, turns: int) -> Ledger:
    """Return an organization with as many turns in 179 days, made once in a run."""
    ledger = empty_ledger(stage)
    # Indexes are made faster when the rows are there.
    stage.client[ledger.database]["interactions"].drop()
    stage.load(ledger.database, _busy(ledger.account, turns))
    stage.furnished(ledger.database)
    return ledger


def _ledger(stage: Stage, name: str, caller: Caller) -> Ledger:
    environ = environ_for(stage.url_of(name), stage.redis_url)
    return Ledger(name, environ, caller.account, caller.organization.id, caller.headers)


def _busy(account: str, turns: int) -> Iterator[Row]:
    first_ms = now_ms() - DAYS_COUNT * DAY_MS
    for number, row in enumerate(rows(account, first_ms, DAYS_COUNT, turns)):
        yield row | PEOPLE if number % 2 else row
