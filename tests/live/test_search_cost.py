"""The cost of a page with filters that no index holds, from the database's profiler.

`docs/api/reading.md` states the bounds.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pymongo.database import Database

from app.http.instants import format_ms
from app.interactions.cursor import Cursors
from app.interactions.ids import TurnKeys, turn_key
from app.interactions.model import SEARCHED_COUNT, Filters, Page
from app.interactions.service import InteractionService
from app.interactions.store import InteractionStore
from tests.schema import make_schema
from tests.servers import CURSOR_SECRET, ID_KEY
from tests.turns import new_account, now_ms, row, stateful

Rows = Database[dict[str, Any]]
ROWS_COUNT = 10_000
LIMIT = 20
NOW_MS = now_ms()
NOW_US = NOW_MS * 1_000

PEOPLE = {
    "list": Filters(),
    "list_user": Filters(user_id="u_1"),
    "list_relationship": Filters(relationship_id="r_1"),
    "list_user_relationship": Filters(user_id="u_1", relationship_id="r_1"),
}
# Of 10,000 turns only the oldest is failed, and of the model `rare-1`.
SELECTIVE = {
    "status": {"status": "failed"},
    "llm_model": {"llm_model": "rare-1"},
    "mode": {"mode": "stateless"},  # in no turn
    "all": {"status": "failed", "mode": "stateful", "llm_model": "rare-1"},
}
WIDE = {
    "status": {"status": "completed"},
    "llm_model": {"llm_model": "gpt-4o"},
    "mode": {"mode": "stateful"},
    "all": {"status": "completed", "mode": "stateful", "llm_model": "gpt-4o"},
}


@pytest.fixture(scope="module")
def account() -> str:
    return new_account()


@pytest.fixture(scope="module")
def database(mongodb_admin: Any, account: str) -> Iterator[Rows]:
    """Yield 10,001 turns of each of two users, a second apart, and those of another account."""
    name = "test_search_cost"
    database = mongodb_admin[name]
    make_schema(database)
    store = InteractionStore(database)
    for owner, user in ((account, 1), (account, 2), (new_account(), 1)):
        store.insert_many(list(history(owner, user)))
    yield database
    mongodb_admin.drop_database(name)


def history(account: str, user: int) -> Iterator[dict[str, Any]]:
    """Return 10,000 usual turns of a user, newest first, then a rare one."""
    turn = stateful(f"r_{user}", f"u_{user}", usage={"llm_model": "gpt-4o"})
    template = row(account, turn)
    for number in range(ROWS_COUNT):
        instant_ms = NOW_MS - 1_000 * number - user
        ulid = TurnKeys(ID_KEY).ulid(account, f"{user}-{number}", instant_ms)
        yield template | {"_id": ulid, "turn_key": turn_key(ulid)}
    rare = stateful(
        f"r_{user}",
        f"u_{user}",
        turn_id=f"rare-{user}",
        occurred_at=format_ms(NOW_MS - 1_000 * ROWS_COUNT),
        status="failed",
        usage={"llm_model": "rare-1"},
    )
    yield row(account, rare)


@pytest.fixture
def service(database: Rows) -> Iterator[InteractionService]:
    """Yield the service on this ledger, with the profiler on and nothing profiled yet."""
    database.command({"profile": 2})
    store, cursors = InteractionStore(database), Cursors((CURSOR_SECRET,))
    yield InteractionService(store, cursors, TurnKeys(ID_KEY))
    database.command({"profile": 0})
    database.drop_collection("system.profile")


def page_of(
    service: InteractionService, account: str, filters: Filters, cursor: str | None = None
) -> Page:
    return service.list_(
        account, filters, LIMIT, cursor, time_us=NOW_US, account_now_us=lambda: NOW_US
    )


def finds(database: Rows) -> list[dict[str, Any]]:
    chosen = {"op": "query", "ns": f"{database.name}.interactions"}
    return list(database["system.profile"].find(chosen).sort("ts", 1))


def stages_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    stage, stages = found["execStats"], []
    while stage:
        stages.append(stage)
        stage = stage.get("inputStage")
    return stages


def assert_bounded_search(found: list[dict[str, Any]], index: str) -> None:
    """Assert that a page counted keys without rows, then read no more rows than it counted."""
    counting, *scans = found
    assert counting["docsExamined"] == 0
    assert counting["keysExamined"] <= SEARCHED_COUNT
    assert sum(each["keysExamined"] for each in scans) <= SEARCHED_COUNT
    assert sum(each["docsExamined"] for each in scans) <= SEARCHED_COUNT
    for each in found:
        stages = stages_of(each)
        assert {stage["stage"] for stage in stages} & {"SORT", "COLLSCAN", "OR"} == set()
        assert (stages[-1]["indexName"], stages[-1]["direction"]) == (index, "backward")


@pytest.mark.parametrize("name", SELECTIVE)
@pytest.mark.parametrize("index", PEOPLE)
def test_a_page_of_a_selective_filter_examines_what_the_docs_state(
    service: InteractionService,
    database: Rows,
    account: str,
    index: str,
    name: str,
) -> None:
    filters = replace(PEOPLE[index], **SELECTIVE[name])
    page = page_of(service, account, filters)

    assert (page.items, page.next_cursor is not None) == ([], True)
    found = finds(database)
    assert_bounded_search(found, index)
    assert [each["keysExamined"] for each in found] == [SEARCHED_COUNT, SEARCHED_COUNT]


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("index", PEOPLE)
def test_a_page_of_a_wide_filter_reads_one_row_more_than_it_shows(
    service: InteractionService,
    database: Rows,
    account: str,
    index: str,
    name: str,
) -> None:
    filters = replace(PEOPLE[index], **WIDE[name])
    page = page_of(service, account, filters)

    assert (len(page.items), page.next_cursor is not None) == (LIMIT, True)
    counting, scan = finds(database)
    assert_bounded_search([counting, scan], index)
    assert (scan["keysExamined"], scan["docsExamined"]) == (LIMIT + 1, LIMIT + 1)


@pytest.mark.parametrize("index", PEOPLE)
def test_a_rare_turn_is_found_after_a_page_for_each_thousand_turns(
    service: InteractionService, database: Rows, account: str, index: str
) -> None:
    filters = replace(PEOPLE[index], status="failed")
    rows_count = database["interactions"].count_documents(
        {"account": account, **({} if index == "list" else {"user_id": "u_1"})}
    )
    page = page_of(service, account, filters)
    pages = [page]
    while page.next_cursor and len(pages) < rows_count:
        page = page_of(service, account, filters, page.next_cursor)
        pages.append(page)

    assert len(pages) == rows_count // SEARCHED_COUNT + 1
    assert sum(len(page.items) for page in pages) == (2 if index == "list" else 1)


def test_a_page_in_a_range_counts_no_turn_outside_it(
    service: InteractionService, database: Rows, account: str
) -> None:
    to_ms = NOW_MS - 1_000 * 500
    filters = Filters(user_id="u_1", from_ms=to_ms - 100_000, to_ms=to_ms, status="failed")

    page = page_of(service, account, filters)

    assert (page.items, page.next_cursor) == ([], None)
    counting, scan = finds(database)
    assert (counting["keysExamined"], counting["docsExamined"]) == (100, 0)
    assert (scan["keysExamined"], scan["docsExamined"]) == (100, 100)


FOUND = [
    Filters(turn_id="rare-1"),
    Filters("u_1", "r_1", NOW_MS - 2_000 * ROWS_COUNT, NOW_MS, turn_id="rare-1"),
    Filters(status="failed", mode="stateful", llm_model="rare-1", turn_id="rare-1"),
]
NOT_FOUND = [
    Filters(turn_id="rare-3"),
    Filters("u_2", turn_id="rare-1"),
    Filters(to_ms=NOW_MS - 2_000 * ROWS_COUNT, turn_id="rare-1"),
    Filters(status="completed", turn_id="rare-1"),
]


@pytest.mark.parametrize("filters", [*FOUND, *NOT_FOUND])
def test_a_turn_by_its_own_id_examines_one_key(
    service: InteractionService, database: Rows, account: str, filters: Filters
) -> None:
    page = page_of(service, account, filters)

    assert (len(page.items), page.next_cursor) == (filters in FOUND, None)
    (found,) = finds(database)
    assert found["keysExamined"] <= 1
    assert found["docsExamined"] <= 1
    assert stages_of(found)[-1]["indexName"] == "turn"


def test_a_page_without_such_a_filter_is_one_query(
    service: InteractionService, database: Rows, account: str
) -> None:
    assert len(page_of(service, account, Filters()).items) == LIMIT

    (found,) = finds(database)
    assert (found["keysExamined"], found["docsExamined"]) == (LIMIT + 1, LIMIT + 1)
