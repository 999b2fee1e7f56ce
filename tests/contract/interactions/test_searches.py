"""Filters that no index holds, in any combination, compared with brute force.

Erased turns lie among the others, and more turns are recorded between the pages.
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
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
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

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_module, "SEARCHED_COUNT", searched)
            found = listing(
                service, account, filters, limit, now_us=STARTED_US, between_pages=record_one
            )
            shown = [item["interaction_id"] for item in found]
        assert shown == expected(rows, filters)


@pytest.mark.parametrize("count", [2, 3, 4, 6, 7])
def test_an_empty_page_goes_on_where_its_search_ended(
    store: InteractionStore, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Search three rows for a page, of which only the oldest of all matches."""
    account = new_account()
    rows = [
        row(account, body(occurred_at=format_ms(START_MS + number), status="completed"))
        for number in range(1, count)
    ]
    rows.append(row(account, body(occurred_at=format_ms(START_MS), status="failed")))
    store.insert_many(rows)
    monkeypatch.setattr(store_module, "SEARCHED_COUNT", 3)
    service = InteractionService(store, Cursors((CURSOR_SECRET,)), TurnKeys(ID_KEY))

    pages: list[Any] = []
    cursor = None
    while not pages or cursor:
        page = service.list_(
            account,
            Filters(status="failed"),
            20,
            cursor,
            time_us=STARTED_US,
            account_now_us=lambda: STARTED_US,
        )
        pages.append(len(page.items))
        cursor = page.next_cursor

    # A search of exactly three rows cannot know that it met the last one.
    assert sum(pages) == 1
    assert len(pages) == count // 3 + 1
