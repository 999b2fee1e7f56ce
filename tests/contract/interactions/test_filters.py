"""Every combination of filters and several page sizes, compared with brute force."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from app.http.instants import format_ms
from app.interactions.cursor import Cursors
from app.interactions.ids import TurnKeys
from app.interactions.model import Filters
from app.interactions.service import InteractionService
from app.interactions.store import InteractionStore
from tests.contract.interactions.listings import MOST_PAGES, expected, listing
from tests.schema import make_schema
from tests.servers import CURSOR_SECRET, ID_KEY
from tests.turns import body, new_account, row

START_MS = 1_790_000_000_000
NOW_US = (START_MS + 86_400_000) * 1_000
STARTED_US = 10**15

FIELDS = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from([None, "u_1", "u_2"]),
        "relationship_id": st.sampled_from([None, "r_1", "r_2"]),
        # Few instants, so that many turns share a millisecond.
        "occurred_at": st.integers(0, 4).map(lambda offset: format_ms(START_MS + offset)),
    }
)
BOUNDS = st.tuples(st.integers(-1, 5), st.integers(-1, 5)).filter(lambda pair: pair[0] < pair[1])


@pytest.fixture
def store(mongo_database: Database[dict[str, Any]]) -> InteractionStore:
    """An empty ledger on each kind of database; only the real one has validators."""
    make_schema(mongo_database)
    return InteractionStore(mongo_database)


def all_combinations(bounds: tuple[int, int]) -> Iterator[Filters]:
    """Return sixteen queries: each filter set or left out."""
    from_ms, to_ms = (START_MS + bound for bound in bounds)
    choices = [(None, "u_1"), (None, "r_1"), (None, from_ms), (None, to_ms)]
    return (Filters(*chosen) for chosen in product(*choices))


@pytest.mark.slow  # seconds of work
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.lists(FIELDS, max_size=20),
    foreign=st.lists(FIELDS, max_size=5),
    bounds=BOUNDS,
    limit=st.sampled_from([1, 2, 7, 100]),
)
def test_a_listing_shows_the_turns_that_brute_force_finds(
    store: InteractionStore,
    sent: list[dict[str, Any]],
    foreign: list[dict[str, Any]],
    bounds: tuple[int, int],
    limit: int,
) -> None:
    account = new_account()
    rows = [row(account, body(**each)) for each in sent]
    store.insert_many(rows + [row(new_account(), body(**each)) for each in foreign])
    service = InteractionService(store, Cursors((CURSOR_SECRET,)), TurnKeys(ID_KEY))

    for filters in all_combinations(bounds):
        shown = [
            item["interaction_id"]
            for item in listing(service, account, filters, limit, now_us=NOW_US)
        ]
        assert shown == expected(rows, filters)


@pytest.mark.slow  # seconds of work
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(FIELDS, max_size=12),
    after=st.lists(FIELDS, max_size=24),
    limit=st.sampled_from([1, 2, 7, 100]),
)
def test_a_listing_shows_exactly_the_turns_recorded_before_it(
    store: InteractionStore, before: list[dict[str, Any]], after: list[dict[str, Any]], limit: int
) -> None:
    account = new_account()
    rows = [row(account, body(**each), STARTED_US - 1) for each in before]
    late = [row(account, body(**each), STARTED_US) for each in after]
    store.insert_many(rows + late)
    service = InteractionService(store, Cursors((CURSOR_SECRET,)), TurnKeys(ID_KEY))
    now_us = STARTED_US  # in 2001, so that the limit of 180 days hides nothing

    page = service.list_(
        account, Filters(), limit, None, time_us=now_us, account_now_us=lambda: now_us
    )
    shown = list(page.items)
    pages_count = 1
    while page.next_cursor and pages_count < MOST_PAGES:
        page = service.list_(
            account,
            Filters(),
            limit,
            page.next_cursor,
            time_us=now_us,
            account_now_us=lambda: now_us,
        )
        shown += page.items
        pages_count += 1

    assert [item["interaction_id"] for item in shown] == expected(rows, Filters())
    assert pages_count <= len(before) + len(after) + 1
