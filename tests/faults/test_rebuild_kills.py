"""Rebuilds and archivers are killed while turns arrive and expire: no turn is lost or added."""

import random
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from app.usage.archive import Archiver
from app.usage.rebuild import Rebuilder, Rebuilt
from app.usage.rebuilding.store import RebuildStore
from tests.contract.usage.earlier import EarlierStore
from tests.contract.usage.ledger import Books
from tests.faults.kit.killed_archivers import Archivers, database_of, today
from tests.faults.kit.killed_rebuilds import Rebuilds
from tests.faults.kit.load import Load
from tests.turns import DAY_MS, at, now_ms, whole

# Turns of the second day expire as soon as `expires_at` is set.
AGES_DAYS = (0, 183)
ROWS_PER_INSERT = 10
# So few that a busy machine can process them.
INSERTS_PER_SECOND = 30


def record(books: Books, chance: random.Random) -> None:
    base = now_ms()
    books.record(
        whole(
            occurred_at=at(base - chance.choice(AGES_DAYS) * DAY_MS)["occurred_at"],
            latency_ms=chance.randrange(9_999),
        )
        for _ in range(ROWS_PER_INSERT)
    )


def days_of(books: Books) -> list[str]:
    """Return a day whose turns stay, and one whose turns expire."""
    return sorted({row["day"] for row in books.rows})


def assert_nothing_is_lost_after(
    uri: str, kills_count: int, report_figures: Callable[..., None]
) -> None:
    """Kill rebuilds and archivers in turn while turns arrive; then compare every day."""
    chance = random.Random(kills_count)  # noqa: S311 - no secret
    with ExitStack() as stack:
        books = Books(stack.enter_context(database_of(uri)))
        for _ in range(5):
            record(books, chance)
        Archiver(EarlierStore(books.database)).run()
        archivers = Archivers(uri, books)
        stack.callback(archivers.end)
        rebuilds = Rebuilds(uri, books, days_of(books))
        stack.callback(rebuilds.end)
        with Load(lambda _: record(books, chance), INSERTS_PER_SECOND, threads_count=1):
            for number in range(kills_count):
                rebuilds.kill(chance)
                if number % 3 == 2:
                    archivers.kill_one(chance)
            raw_count = len(books.raw())
        rebuilds.end()
        archivers.end()
        assert raw_count < len(books.rows), "nothing was deleted while rebuilds died"
        assert_rebuilt(books)
    report_figures(kills=kills_count, accepted=len(books.rows))


def assert_rebuilt(books: Books) -> None:
    """Require exact totals of both days, and of today's the breakdown too once it is rebuilt."""
    rebuilder = Rebuilder(RebuildStore(books.database))
    kept = today(books)
    Archiver(books.store).run()
    turns = sum(row["day"] == kept for row in books.rows)
    assert rebuilder.rebuild([books.account], [kept]) == Rebuilt(turns=turns, days=1)
    expected = books.expected()
    assert books.archived()[kept] == expected[kept]
    # Breakdowns of the others lack turns of the earlier release; extremes are of their buckets.
    for day in set(expected) - {kept}:
        for name in ("by_status", "latency_histogram", "latency_sum_ms", "input_tokens"):
            assert getattr(books.archived()[day], name) == getattr(expected[day], name)


def test_nothing_is_lost_when_rebuilds_are_killed(
    fresh_mongodb_uri: str, report_figures: Callable[..., None]
) -> None:
    assert_nothing_is_lost_after(fresh_mongodb_uri, 3, report_figures)


@pytest.mark.long
def test_nothing_is_lost_when_rebuilds_are_killed_fifty_times(
    fresh_mongodb_uri: str, report_figures: Callable[..., None]
) -> None:
    assert_nothing_is_lost_after(fresh_mongodb_uri, 50, report_figures)
