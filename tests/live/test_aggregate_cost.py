"""The cost of aggregates in the real database, from its profiler."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from pymongo.database import Database

from app.admission.peek import quota_of
from app.http.instants import format_ms
from app.interactions.model import Filters
from app.interactions.store import InteractionStore
from app.tenancy.periods import period_at
from app.usage.archive import Archiver
from app.usage.buckets import Grouping
from app.usage.limits import PACE_DAYS, LimitsReader
from app.usage.service import UsageService
from app.usage.store import UsageStore
from tests.schema import make_schema
from tests.turns import DAY_MS, body, new_account, now_ms, row
from tests.unit.admission.world import limits, principal

NOW_MS = now_ms()
OTHERS_COUNT = 600
MINE_COUNT = 7
MINE = {
    "list_user": Filters(user_id="u_1"),
    "list_relationship": Filters(relationship_id="r_1"),
    "list_user_relationship": Filters(user_id="u_1", relationship_id="r_1"),
}


def history(account: str, count: int, name: str) -> list[dict[str, Any]]:
    """Return turns at least an hour apart, all within a month of whole days."""
    first_ms = NOW_MS // DAY_MS * DAY_MS - 30 * DAY_MS
    step_ms = 30 * DAY_MS // count
    people = {"user_id": f"u_{name}", "relationship_id": f"r_{name}"}
    return [
        row(account, body(occurred_at=format_ms(first_ms + number * step_ms), **people))
        for number in range(count)
    ]


@pytest.fixture
def account() -> str:
    return new_account()


@pytest.fixture
def service(live_database: Database[dict[str, Any]], account: str) -> Iterator[UsageService]:
    """Yield an archived month of two users, one of them busy, with the profiler on."""
    turns, usage = InteractionStore(live_database), UsageStore(live_database)
    make_schema(live_database)
    turns.insert_many(history(account, OTHERS_COUNT, "2") + history(account, MINE_COUNT, "1"))
    Archiver(usage).run()
    live_database.command({"profile": 2})
    yield UsageService(usage)
    live_database.command({"profile": 0})


def operations(database: Database[dict[str, Any]], collection: str) -> list[dict[str, Any]]:
    chosen = {"op": {"$in": ["query", "command"]}, "ns": f"{database.name}.{collection}"}
    return list(database["system.profile"].find(chosen))


@pytest.mark.parametrize("index", MINE)
def test_a_filtered_aggregate_examines_only_the_turns_of_its_users(
    service: UsageService, live_database: Database[dict[str, Any]], account: str, index: str
) -> None:
    slices = service.aggregates(account, MINE[index], Grouping.DAY, NOW_MS)

    assert sum(each.rollup.total_turns for each in slices) == MINE_COUNT
    (found,) = operations(live_database, "interactions")
    assert f"{index}" in found["command"]["hint"]
    assert found["keysExamined"] <= MINE_COUNT + 1
    assert found["docsExamined"] == MINE_COUNT
    assert operations(live_database, "usage_daily") == []


def test_the_pace_of_a_week_is_one_query_of_seven_days(
    service: UsageService, live_database: Database[dict[str, Any]], account: str
) -> None:
    who = principal(limits(turns=100_000))
    quota = quota_of(who.limits, period_at(who.signed_up_on, NOW_MS * 1_000))

    consumed = LimitsReader(Mock(), service)._consumed(account, quota, NOW_MS, PACE_DAYS)

    assert consumed == 0  # all of them are imports
    assert [each["docsExamined"] for each in operations(live_database, "usage_daily")] == [7]
    assert sum(each["docsExamined"] for each in operations(live_database, "interactions")) == 0


@pytest.mark.parametrize("grouping", [None, *Grouping])
def test_an_archived_month_is_read_from_its_days(
    service: UsageService,
    live_database: Database[dict[str, Any]],
    account: str,
    grouping: Grouping | None,
) -> None:
    midnight_ms = NOW_MS // DAY_MS * DAY_MS
    month = Filters(from_ms=midnight_ms - 30 * DAY_MS, to_ms=midnight_ms)

    slices = service.aggregates(account, month, grouping, NOW_MS)

    assert sum(each.rollup.total_turns for each in slices) == OTHERS_COUNT + MINE_COUNT
    examined = [each["docsExamined"] for each in operations(live_database, "usage_daily")]
    assert examined == [30]
    assert sum(each["docsExamined"] for each in operations(live_database, "interactions")) == 0
