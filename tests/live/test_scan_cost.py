"""The cost of a page in the real database, from its profiler."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from app.http.instants import format_ms
from app.interactions.cursor import Cursors
from app.interactions.ids import TurnKeys, find_ulid
from app.interactions.model import Filters
from app.interactions.service import InteractionService
from app.interactions.store import InteractionStore
from tests.schema import make_schema
from tests.servers import CURSOR_SECRET, ID_KEY
from tests.turns import body, new_account, now_ms, row

ROWS_COUNT = 3_000
TIES_COUNT = 1_200
LIMIT = 20
NOW_MS = now_ms()
NOW_US = NOW_MS * 1_000
TIED_MS = NOW_MS - 1_500_000

FILTERS = {
    "list": Filters(),
    "list_user": Filters(user_id="u_1"),
    "list_relationship": Filters(relationship_id="r_1"),
    "list_user_relationship": Filters(user_id="u_1", relationship_id="r_1"),
}


def history(account: str, count: int) -> Iterator[dict[str, Any]]:
    """Return turns a second apart, with many of one millisecond; half are of u_1 and r_1."""
    for number in range(count):
        is_tied = count // 2 <= number < count // 2 + TIES_COUNT
        instant = TIED_MS if is_tied else NOW_MS - 1_000 * number
        people = {"user_id": f"u_{number % 2}", "relationship_id": f"r_{number % 2}"}
        yield row(account, body(occurred_at=format_ms(instant), **people))


@pytest.fixture(scope="module")
def account() -> str:
    return new_account()


@pytest.fixture(scope="module")
def database(mongodb_admin: Any, account: str) -> Iterator[Database[dict[str, Any]]]:
    """Yield a ledger of several accounts, which no test changes."""
    name = "test_scan_cost"
    database = mongodb_admin[name]
    make_schema(database)
    store = InteractionStore(database)
    store.insert_many(list(history(account, ROWS_COUNT)))
    for _ in range(3):
        store.insert_many(list(history(new_account(), 300)))
    yield database
    mongodb_admin.drop_database(name)


@pytest.fixture
def service(database: Database[dict[str, Any]]) -> Iterator[InteractionService]:
    """Yield the service on this ledger, with the profiler on and nothing profiled yet."""
    database.command({"profile": 2})
    store, cursors = InteractionStore(database), Cursors((CURSOR_SECRET,))
    yield InteractionService(store, cursors, TurnKeys(ID_KEY))
    database.command({"profile": 0})
    database.drop_collection("system.profile")


def finds(database: Database[dict[str, Any]]) -> list[dict[str, Any]]:
    chosen = {"op": "query", "ns": f"{database.name}.interactions"}
    return list(database["system.profile"].find(chosen).sort("ts", 1))


@pytest.mark.parametrize("index", FILTERS)
def test_every_page_examines_one_key_more_than_it_returns(
    service: InteractionService,
    database: Database[dict[str, Any]],
    account: str,
    index: str,
) -> None:
    page = service.list_(
        account, FILTERS[index], LIMIT, None, time_us=NOW_US, account_now_us=lambda: NOW_US
    )
    pages = [page]
    while page.next_cursor and len(pages) < ROWS_COUNT:
        page = service.list_(
            account,
            FILTERS[index],
            LIMIT,
            page.next_cursor,
            time_us=NOW_US,
            account_now_us=lambda: NOW_US,
        )
        pages.append(page)

    found = finds(database)
    shown_count = sum(len(page.items) for page in pages)
    assert shown_count == (ROWS_COUNT if index == "list" else ROWS_COUNT // 2)
    assert len(found) == len(pages) == shown_count // LIMIT
    costs = {(each["keysExamined"], each["docsExamined"], each["nreturned"]) for each in found[:-1]}
    assert costs == {(LIMIT + 1, LIMIT + 1, LIMIT + 1)}
    assert found[-1]["keysExamined"] <= LIMIT + 1


@pytest.mark.parametrize("index", FILTERS)
def test_a_page_is_one_backward_scan_of_its_own_index_without_a_sort(
    service: InteractionService,
    database: Database[dict[str, Any]],
    account: str,
    index: str,
) -> None:
    service.list_(
        account, FILTERS[index], LIMIT, None, time_us=NOW_US, account_now_us=lambda: NOW_US
    )

    (found,) = finds(database)
    assert not found.get("hasSortStage", False)
    stage, stages = found["execStats"], []
    while stage:
        stages.append(stage)
        stage = stage.get("inputStage")
    assert {each["stage"] for each in stages} & {"SORT", "COLLSCAN", "SKIP", "OR"} == set()
    assert stages[-1]["stage"] == "IXSCAN"
    assert (stages[-1]["indexName"], stages[-1]["direction"]) == (index, "backward")


@pytest.mark.parametrize("limit", [1, 100])
def test_a_page_within_one_millisecond_costs_no_more(
    service: InteractionService,
    database: Database[dict[str, Any]],
    account: str,
    limit: int,
) -> None:
    tied = Filters(from_ms=TIED_MS, to_ms=TIED_MS + 1)
    page = service.list_(account, tied, limit, None, time_us=NOW_US, account_now_us=lambda: NOW_US)
    for _ in range(5):
        page = service.list_(
            account, tied, limit, page.next_cursor, time_us=NOW_US, account_now_us=lambda: NOW_US
        )

    found = finds(database)
    assert {item["created_at"] for item in page.items} == {format_ms(TIED_MS)}
    assert [each["keysExamined"] for each in found] == [limit + 1] * 6
    assert [each["docsExamined"] for each in found] == [limit + 1] * 6


def test_a_page_full_of_later_turns_is_bounded(
    service: InteractionService, database: Database[dict[str, Any]], account: str
) -> None:
    long_before_recording_us = 10**14
    page = service.list_(
        account, Filters(), LIMIT, None, time_us=NOW_US, account_now_us=lambda: NOW_US
    )
    cursor = page.next_cursor
    assert cursor is not None
    started = Cursors((CURSOR_SECRET,)).read(cursor, account, Filters(), NOW_US)
    early = type(started)(started.last_ulid, long_before_recording_us)
    cursor = Cursors((CURSOR_SECRET,)).write(early, account, Filters(), NOW_US)

    page = service.list_(
        account, Filters(), LIMIT, cursor, time_us=NOW_US, account_now_us=lambda: NOW_US
    )

    assert (page.items, page.next_cursor is not None) == ([], True)
    assert sum(each["keysExamined"] for each in finds(database)[1:]) == 3 * (LIMIT + 1)


def test_one_turn_by_its_id_examines_one_key(
    service: InteractionService, database: Database[dict[str, Any]], account: str
) -> None:
    item = service.list_(
        account, Filters(), 1, None, time_us=NOW_US, account_now_us=lambda: NOW_US
    ).items[0]
    interaction_id = item["interaction_id"]
    assert find_ulid(interaction_id)

    assert service.get_(account, interaction_id, NOW_US) == item

    found = finds(database)[-1]
    assert (found["keysExamined"], found["docsExamined"], found["nreturned"]) == (1, 1, 1)
