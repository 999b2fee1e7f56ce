"""Answers while archivers roll up the turns, on the real database."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pymongo.database import Database

from app.interactions.model import Filters
from app.interactions.store import InteractionStore
from app.usage.archive import Archiver
from app.usage.buckets import Grouping
from app.usage.errors import ArchiveMovedOn
from app.usage.service import UsageService
from app.usage.store import UsageStore
from tests.schema import make_schema
from tests.turns import DAY_MS, at, new_account, now_ms, row

TURNS_COUNT = 3_000
DAYS_COUNT = 6
ARCHIVERS_COUNT = 2


def test_no_answer_misses_a_turn_or_counts_it_twice(
    live_database: Database[dict[str, Any]],
) -> None:
    turns, store = InteractionStore(live_database), UsageStore(live_database)
    make_schema(live_database)
    account, today_ms = new_account(), now_ms() // DAY_MS * DAY_MS
    first_ms = today_ms - DAYS_COUNT * DAY_MS
    step_ms = DAYS_COUNT * DAY_MS // TURNS_COUNT
    turns.insert_many(
        [row(account, at(first_ms + number * step_ms)) for number in range(TURNS_COUNT)]
    )
    service, filters = UsageService(store), Filters(from_ms=first_ms, to_ms=today_ms)
    answers: list[int | None] = []

    with ThreadPoolExecutor(ARCHIVERS_COUNT) as pool:
        running = [
            pool.submit(Archiver(store, batch_count=150).run) for _ in range(ARCHIVERS_COUNT)
        ]
        while not all(each.done() for each in running):
            answers.append(total(service, account, filters))

    assert answers
    assert set(answers) <= {TURNS_COUNT, None}
    Archiver(store).run()
    assert total(service, account, filters) == TURNS_COUNT
    assert list(store.open_days()) == []


def total(service: UsageService, account: str, filters: Filters) -> int | None:
    """Return the number of turns; None if the archive changed during the request."""
    try:
        slices = service.aggregates(account, filters, Grouping.DAY, filters.to_ms or 0)
    except ArchiveMovedOn:
        return None
    return sum(each.rollup.total_turns for each in slices)
