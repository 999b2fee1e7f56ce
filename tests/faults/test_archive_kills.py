"""Archivers are killed while turns arrive and expired ones are deleted: no turn is lost."""

import random
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.contract.usage.ledger import Books
from tests.faults.kit.killed_archivers import Archivers, database_of, require_balance
from tests.faults.kit.load import Load
from tests.turns import DAY_MS, at, now_ms

# Days whose turns expire as soon as `expires_at` is set, and the current one.
AGES_DAYS = (0, 182, 183, 190)
ROWS_PER_INSERT = 10
# So few that a busy machine can process them.
INSERTS_PER_SECOND = 40


def arriving(books: Books) -> Load:
    """Insert turns of today and imported ones for as long as the block runs."""
    chance = random.Random(1)  # noqa: S311 - no secret

    def insert(_: int) -> None:
        base = now_ms()
        books.record(
            at(base - chance.choice(AGES_DAYS) * DAY_MS, latency_ms=chance.randrange(9_999))
            for _ in range(ROWS_PER_INSERT)
        )

    return Load(insert, INSERTS_PER_SECOND, threads_count=1)


def kill_archivers(uri: str, kills_count: int, report_figures: Callable[..., None]) -> Books:
    """Kill archivers `kills_count` times while turns arrive; then check that no turn is lost."""
    chance = random.Random(kills_count)  # noqa: S311 - no secret
    with ExitStack() as stack:
        books = Books(stack.enter_context(database_of(uri)))
        archivers = Archivers(uri, books)
        stack.callback(archivers.end)
        with arriving(books):
            for _ in range(kills_count):
                archivers.kill_one(chance)
            accepted_count = len(books.rows)
            raw_count = len(books.raw())
        archivers.end()
        assert raw_count < accepted_count, "nothing was deleted while archivers died"
        require_balance(books)
    report_figures(
        kills=kills_count,
        accepted=len(books.rows),
        deleted_before_the_last_kill=accepted_count - raw_count,
    )
    return books


def test_nothing_is_lost_when_archivers_are_killed(
    fresh_mongodb_uri: str, report_figures: Callable[..., None]
) -> None:
    books = kill_archivers(fresh_mongodb_uri, 3, report_figures)
    assert len(books.rows) > 100


@pytest.mark.long
def test_nothing_is_lost_when_archivers_are_killed_fifty_times(
    fresh_mongodb_uri: str, report_figures: Callable[..., None]
) -> None:
    books = kill_archivers(fresh_mongodb_uri, 50, report_figures)
    assert len(books.rows) > 1_000
