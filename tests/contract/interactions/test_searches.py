"""Filters that no index holds, in any combination, compared with brute force.

Erased turns lie among the others. More turns are recorded between the pages, and between the two
queries of a page.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from app.http.instants import format_ms
from app.interactions import store as store_module
from app.interactions.cursor import Cursors
from app.interactions.ids import TurnKeys
from app.interactions.model import Filters
from app.interactions.service import InteractionService
from app.interactions.store import InteractionStore
from tests.contract.interactions.listings import Row, expected, listing
from tests.schema import make_schema
from tests.servers import CURSOR_SECRET, ID_KEY
from tests.turns import body, new_account, row

START_MS = 1_790_000_000_000
STARTED_US = (START_MS + 86_400_000) * 1_000
ERASED = {"user_id": None, "relationship_id": None, "erased": True}

SENT = st.fixed_dictionaries(
    {
        "people": st.sampled_from([(None, None), ("u_1", "r_1"), ("u_1", "r_2"), ("u_2", "r_1")]),
        "is_stateful": st.booleans(),
        "status": st.sampled_from(["completed", "failed"]),
        "model": st.sampled_from([None, "gpt-4o", "gpt-4o-mini"]),
        # Few instants, so that many turns share a millisecond.
        "offset_ms": st.integers(0, 4),
        "is_erased": st.sampled_from([False, False, False, True]),
    }
)
FILTERS = st.builds(
    Filters,
    user_id=st.sampled_from([None, None, "u_1"]),
    relationship_id=st.sampled_from([None, None, "r_1"]),
    from_ms=st.sampled_from([None, None, START_MS + 1]),
    to_ms=st.sampled_from([None, None, START_MS + 4]),
    status=st.sampled_from([None, "completed", "failed"]),
    mode=st.sampled_from([None, "stateful", "stateless"]),
    llm_model=st.sampled_from([None, "gpt-4o", "gpt-4"]),
    turn_id=st.sampled_from([None, None, None, "sent-0", "sent-1", "late-0"]),
)


@pytest.fixture
def store(mongo_database: Database[Row]) -> InteractionStore:
    """An empty ledger on each kind of database; only the real one has validators."""
    make_schema(mongo_database)
    return InteractionStore(mongo_database)


def rows_of(account: str, sent: list[Row], name: str, recorded_at_us: int) -> Iterator[Row]:
    """Return rows of turns with the ids `name-0`, `name-1` and so on."""
    for number, each in enumerate(sent):
        user, relationship = each["people"]
        turn = body(
            turn_id=f"{name}-{number}",
            occurred_at=format_ms(START_MS + each["offset_ms"]),
            mode="stateful" if user and each["is_stateful"] else "stateless",
            status=each["status"],
            user_id=user,
            relationship_id=relationship,
            usage={"llm_model": each["model"]},
        )
        made = row(account, turn, recorded_at_us)
        yield made | ERASED if each["is_erased"] else made


@pytest.mark.slow  # seconds of work
@pytest.mark.parametrize(
    "mongo_database", ["live", pytest.param("memory", marks=pytest.mark.long)], indirect=True
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.lists(SENT, max_size=20),
    late=st.lists(SENT, max_size=8),
    asked=st.lists(FILTERS, min_size=4, max_size=8),
    limit=st.sampled_from([1, 2, 7]),
    searched=st.sampled_from([1, 2, 3, 8, 1_000]),
)
def test_a_filtered_listing_shows_the_turns_that_brute_force_finds(
    store: InteractionStore,
    sent: list[Row],
    late: list[Row],
    asked: list[Filters],
    limit: int,
    searched: int,
) -> None:
    service = InteractionService(store, Cursors((CURSOR_SECRET,)), TurnKeys(ID_KEY))

    for filters in asked:
        account = new_account()
        rows = list(rows_of(account, sent, "sent", STARTED_US - 1))
        waiting = list(rows_of(account, late, "late", STARTED_US))
        store.insert_many([*rows, *rows_of(new_account(), sent, "sent", STARTED_US - 1)])

        def record_one(waiting: list[Row] = waiting) -> None:
            store.insert_many([waiting.pop()] if waiting else [])

        def find_boundary(*arguments: Any) -> str | None:
            boundary = InteractionStore.find_boundary(store, *arguments)
            record_one()
            return boundary

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_module, "SEARCHED_COUNT", searched)
            patch.setattr(store, "find_boundary", find_boundary)
            found = listing(
                service, account, filters, limit, now_us=STARTED_US, between_pages=record_one
            )
            shown = [item["interaction_id"] for item in found]
        assert shown == expected(rows, filters)


def statuses(account: str, statuses: str, **changes: Any) -> list[Row]:
    """Return rows a millisecond apart, oldest first: `f` is a failed turn, `c` a completed one."""
    names = {"f": "failed", "c": "completed"}
    return [
        row(account, body(occurred_at=format_ms(START_MS + number), status=names[letter])) | changes
        for number, letter in enumerate(statuses)
    ]


def pages_of(store: InteractionStore, account: str, limit: int) -> list[int]:
    """Return the number of failed turns on each page."""
    service = InteractionService(store, Cursors((CURSOR_SECRET,)), TurnKeys(ID_KEY))
    counts: list[int] = []
    cursor = None
    while not counts or cursor:
        page = service.list_(
            account,
            Filters(status="failed"),
            limit,
            cursor,
            time_us=STARTED_US,
            account_now_us=lambda: STARTED_US,
        )
        counts.append(len(page.items))
        cursor = page.next_cursor
    return counts


@pytest.mark.parametrize(
    ("stored", "pages"),
    [
        ("fc", [1]),
        ("fcc", [1, 0]),  # a search of exactly three rows cannot know that it met the last one
        ("fccc", [0, 1]),
        ("fccccc", [0, 1, 0]),
        ("fcccccc", [0, 0, 1]),
        ("fcffcc", [1, 2, 0]),
        ("ffffff", [3, 3, 0]),
        ("", [0]),
    ],
)
def test_a_page_ends_where_its_search_ends_and_the_next_one_continues(
    store: InteractionStore, monkeypatch: pytest.MonkeyPatch, stored: str, pages: list[int]
) -> None:
    """Search three rows for each page."""
    account = new_account()
    store.insert_many(statuses(account, stored))
    monkeypatch.setattr(store_module, "SEARCHED_COUNT", 3)

    assert pages_of(store, account, limit=20) == pages


@pytest.mark.parametrize("dropped", [ERASED, {"recorded_at": STARTED_US}], ids=["erased", "later"])
@pytest.mark.parametrize("limit", [1, 2])
def test_no_turn_is_missed_below_matching_turns_that_are_not_shown(
    store: InteractionStore, monkeypatch: pytest.MonkeyPatch, dropped: Row, limit: int
) -> None:
    """End a page after three scans, above the boundary of its search."""
    account = new_account()
    rows = statuses(account, "ffffc" + "f" * 20)
    store.insert_many(rows[:5] + [each | dropped for each in rows[5:]])
    monkeypatch.setattr(store_module, "SEARCHED_COUNT", 24)

    assert sum(pages_of(store, account, limit)) == 4
