"""The size and memory of one answer over 180 days with the maximum of names."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from pymongo.database import Database

from app.interactions.model import Filters
from app.usage.breakdown import Breakdown, Sums
from app.usage.buckets import Grouping, day_of
from app.usage.documents import to_document
from app.usage.items import aggregate_item
from app.usage.names import OTHERS
from app.usage.rollups import MAX_NAMES, Rollup
from app.usage.service import UsageService
from app.usage.store import UsageStore
from tests.schema import make_schema
from tests.turns import DAY_MS, new_account, now_ms

DAYS_COUNT = 180
# The names of 11 days already exceed what is kept at a time; so many in memory, the bound.
FEWER_DAYS_COUNT = 60
MOST_ANSWER_BYTES = 1_000_000
MOST_BREAKDOWN_BYTES = 5_000_000
# Measured: 65 MB, and 90 MB with a breakdown. With every day in memory it was 450 MB.
MOST_MEMORY_BYTES = 100_000_000
NOW_MS = now_ms() // DAY_MS * DAY_MS
ACCOUNT = new_account()


def full_day(number: int) -> dict[str, Any]:
    """Return a day's document with the maximum number and length of names, most of them unique."""
    maps = {
        kind: {f"{kind}_{number}_{name}_".ljust(width, "x"): 1 + name % 7 for name in range(most)}
        | {OTHERS: 1_000}
        for (kind, most), width in zip(MAX_NAMES.items(), (64, 40, 193), strict=True)
    }
    personality = {name: Sums(turns, 1, 2, 3) for name, turns in maps["personalities"].items()}
    breakdown = Breakdown(1, personality=personality)
    rollup = Rollup(
        by_status={"completed": 1}, latency_histogram={7: 1}, breakdown=breakdown, **maps
    )
    day = day_of(NOW_MS - (DAYS_COUNT - number) * DAY_MS).isoformat()
    return {"account": ACCOUNT, "day": day, "revision": 1, **to_document(rollup)}


@pytest.fixture(scope="module")
def database(mongodb_admin: Any) -> Iterator[Database[dict[str, Any]]]:
    """Yield a database for the archive of the largest possible account."""
    name = "test_fullest"
    database = mongodb_admin[name]
    make_schema(database)
    yield database
    mongodb_admin.drop_database(name)


def fill(database: Database[dict[str, Any]], days_count: int) -> None:
    """Archive the latest `days_count` days, unless an earlier test has."""
    days = database["usage_daily"]
    older_count = DAYS_COUNT - days.count_documents({})
    missing = [full_day(number) for number in range(DAYS_COUNT - days_count, older_count)]
    if missing:
        days.insert_many(missing)


@pytest.mark.parametrize(
    "days_count", [FEWER_DAYS_COUNT, pytest.param(DAYS_COUNT, marks=pytest.mark.long)]
)
@pytest.mark.parametrize("grouping", [None, Grouping.DAY])
def test_the_largest_account_gets_a_bounded_answer_with_bounded_memory(
    database: Database[dict[str, Any]],
    grouping: Grouping | None,
    days_count: int,
    report_figures: Any,
) -> None:
    fill(database, days_count)
    asked = Filters(from_ms=NOW_MS - days_count * DAY_MS, to_ms=NOW_MS)
    service = UsageService(UsageStore(database))
    tracemalloc.start()
    try:
        slices = service.aggregates(ACCOUNT, asked, grouping, NOW_MS)
        items = [aggregate_item(each) for each in slices]
        answer = orjson.dumps({"data": items})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    report_figures(answer_bytes=len(answer), peak_bytes=peak)

    assert sum(item["total_turns"] for item in items) == days_count
    assert (
        sum(item["unique_personalities_count"] for item in items)
        == days_count * (MAX_NAMES["personalities"])
    )
    turns = sum(sum(item["primary_emotion_distribution"].values()) for item in items)
    assert turns == days_count * sum(full_day(0)["emotions"].values())
    assert {len(item["primary_emotion_distribution"]) for item in items} == {101}
    assert len(answer) <= MOST_ANSWER_BYTES * days_count // DAYS_COUNT
    assert peak <= MOST_MEMORY_BYTES


@pytest.mark.parametrize(
    ("grouping", "days_count"),
    [
        (None, 45),
        pytest.param(None, DAYS_COUNT, marks=pytest.mark.long),
        pytest.param(Grouping.DAY, DAYS_COUNT, marks=pytest.mark.long),
    ],
)
def test_the_largest_breakdown_has_a_bounded_answer_and_bounded_memory(
    database: Database[dict[str, Any]],
    grouping: Grouping | None,
    days_count: int,
    report_figures: Any,
) -> None:
    fill(database, days_count)
    asked = Filters(from_ms=NOW_MS - days_count * DAY_MS, to_ms=NOW_MS)
    service = UsageService(UsageStore(database))
    tracemalloc.start()
    try:
        slices = service.aggregates(ACCOUNT, asked, grouping, NOW_MS, dimension="personality")
        items = [aggregate_item(each) for each in slices]
        answer = orjson.dumps({"data": items})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    report_figures(answer_bytes=len(answer), peak_bytes=peak)

    turns = sum(share["total_turns"] for item in items for share in item["breakdown"])
    assert turns == days_count * sum(full_day(0)["personalities"].values())
    assert {len(item["breakdown"]) for item in items} == {101}
    assert {item["breakdown"][-1]["key"] for item in items} == {OTHERS}
    assert len(answer) <= MOST_BREAKDOWN_BYTES
    assert peak <= MOST_MEMORY_BYTES
