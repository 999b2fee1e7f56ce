"""Aggregates and usage equal brute force, however far the archive has come with the turns."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from app.admission.decision import QuotaState
from app.http.instants import format_ms
from app.interactions.model import STATUSES, Filters
from app.interactions.store import InteractionStore
from app.usage.archive import Archiver
from app.usage.buckets import Grouping
from app.usage.errors import ArchiveMovedOn
from app.usage.items import aggregate_item, usage_item
from app.usage.service import Slice, UsageService
from app.usage.store import UsageStore
from tests.contract.usage import brute
from tests.contract.usage.brute import Row
from tests.schema import make_schema
from tests.turns import DAY_MS, body, new_account, row

pytestmark = pytest.mark.slow  # seconds of work

START_MS = 1_790_812_800_000  # Thursday, 1 October 2026
MOST_DAYS = 40
NOW_MS = START_MS + 100 * DAY_MS
PERIOD = QuotaState(
    0, 0, None, 0, None, START_MS * 1_000, (START_MS + 30 * DAY_MS) * 1_000, 0, 1_000_000, 1_000_000
)

# Few edges and many turns upon them.
INSTANTS = st.one_of(
    st.integers(0, MOST_DAYS * DAY_MS - 1),
    st.builds(
        lambda day, around: max(0, day * DAY_MS + around),
        st.integers(0, MOST_DAYS - 1),
        st.sampled_from([-1, 0, 1]),
    ),
)
TURN = st.fixed_dictionaries(
    {
        "occurred_at": INSTANTS.map(lambda offset: format_ms(START_MS + offset)),
        "user_id": st.sampled_from([None, "u_1", "u_2"]),
        "relationship_id": st.sampled_from([None, "r_1", "r_2"]),
        "personality_id": st.sampled_from(["ada", "v1.5", "a-2E.b", "c/d:e-f"]),
        "status": st.sampled_from(STATUSES),
        "latency_ms": st.one_of(st.integers(0, 300), st.integers(0, DAY_MS)),
        "inferred_emotional_state": st.sampled_from(
            [None, {"primary": "joy"}, {"primary": "fear"}]
        ),
        "usage": st.sampled_from(
            [
                {},
                {"turns_consumed": 0, "input_tokens": 9},
                {"turns_consumed": 7, "output_tokens": 5},
            ]
        ),
    }
)
TURNS = st.lists(TURN, max_size=12)
BOUNDS = st.tuples(INSTANTS, INSTANTS).map(sorted).filter(lambda pair: pair[0] < pair[1])
WHOLE_DAYS = st.tuples(st.integers(0, MOST_DAYS), st.integers(0, MOST_DAYS)).filter(
    lambda pair: pair[0] < pair[1]
)
rarely = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Ledger:
    """An account's turns, what the archive makes of them, and what is answered."""

    def __init__(self, database: Database[Row]) -> None:
        self.account = new_account()
        self.rows: list[Row] = []
        self.raw = database["interactions"]
        self.store = UsageStore(database)
        self.service = UsageService(self.store)
        self._turns = InteractionStore(database)

    def record(self, turns: list[Row]) -> None:
        rows = [row(self.account, body(**each)) for each in turns]
        self._turns.insert_many([dict(each) for each in rows])
        self.rows += rows

    def archive(self) -> None:
        Archiver(self.store, batch_count=7).run()

    def claim(self) -> Iterator[tuple[str, Any]]:
        """Claim all that is open, as an archiver does that goes no further."""
        for account, day in list(self.store.open_days()):
            if account != self.account:
                continue
            fence = self.store.fence(account, day)
            if not self.store.claim_left(account, day, fence):
                self.store.claim_new(account, day, fence, 1_000)
            yield day, fence

    def commit(self) -> None:
        """Claim and commit all open turns, as an archiver that dies before the last step."""
        for day, fence in list(self.claim()):
            rollup = self.store.sum_claimed(self.account, day, fence)
            assert self.store.commit(self.account, day, fence, rollup)

    def expire(self) -> None:
        """Delete turns as the TTL index does."""
        self.raw.delete_many({"account": self.account, "expires_at": {"$exists": True}})
        assert not self.raw.count_documents({"account": self.account})

    def aggregates(self, filters: Filters, grouping: Grouping | None) -> list[Slice]:
        return self.service.aggregates(self.account, filters, grouping, NOW_MS)

    def turns(self, filters: Filters, grouping: Grouping) -> list[Slice]:
        return self.service.turns(self.account, filters, grouping, PERIOD, NOW_MS)

    def assert_true(self, filters: Filters) -> None:
        """Require the results of brute force from every way to ask for this range."""
        (total,) = self.aggregates(filters, None)
        assert_same(total, brute.chosen(self.rows, filters))
        assert total.bucket is None
        for grouping in Grouping:
            expected = list(brute.grouped(self.rows, filters, grouping.value))
            shown = self.aggregates(filters, grouping)
            assert [each.bucket and each.bucket.start for each in shown] == [
                start for start, _ in expected
            ]
            for each, (_, rows) in zip(shown, expected, strict=True):
                assert_same(each, rows)
            if filters.user_id is None and filters.relationship_id is None:
                usage = self.turns(filters, grouping)
                assert [usage_item(each) for each in usage] == [usage_item(each) for each in shown]


def assert_same(shown: Slice, rows: list[Row]) -> None:
    item = aggregate_item(shown)
    expected = brute.aggregate(rows)
    assert {name: item[name] for name in expected} == expected
    assert usage_item(shown).items() <= item.items()
    measured = sorted(row["latency_ms"] for row in rows)
    for name, value in item["latency_ms"].items():
        if not rows:
            assert value is None
            continue
        assert measured[0] <= value <= measured[-1]
        exact = brute.percentile(rows, int(name[1:]))
        assert abs(value - exact) * 64 <= exact
        assert value == exact or exact >= 64


@pytest.fixture
def ledgers(mongo_database: Database[Row]) -> Callable[[], Ledger]:
    """Makes accounts on an empty database of each kind."""
    make_schema(mongo_database)
    return lambda: Ledger(mongo_database)


def range_of(bounds: tuple[int, int], unit_ms: int = 1, **people: str | None) -> Filters:
    first, last = bounds
    return Filters(**people, from_ms=START_MS + first * unit_ms, to_ms=START_MS + last * unit_ms)


# In memory each stage takes seconds; every stage is one of the tests below, too, but for claims.
@pytest.mark.parametrize("mongo_database", ["live"], indirect=True)
@rarely
@given(early=TURNS, late=TURNS, bounds=BOUNDS)
def test_answers_are_brute_force_at_every_stage_of_the_archive(
    ledgers: Callable[[], Ledger], early: list[Row], late: list[Row], bounds: tuple[int, int]
) -> None:
    ledger = ledgers()
    asked = range_of(bounds)
    ledger.record(early)
    ledger.assert_true(asked)
    for _ in range(2):
        ledger.archive()
        ledger.assert_true(asked)
    ledger.record(late)
    ledger.assert_true(asked)
    list(ledger.claim())
    ledger.assert_true(asked)
    ledger.commit()
    ledger.assert_true(asked)
    ledger.archive()
    ledger.assert_true(asked)


@rarely
@given(early=TURNS, late=TURNS, days=WHOLE_DAYS)
def test_answers_outlive_the_turns(
    ledgers: Callable[[], Ledger], early: list[Row], late: list[Row], days: tuple[int, int]
) -> None:
    ledger = ledgers()
    asked = range_of(days, DAY_MS)
    for turns in (early, late):
        ledger.record(turns)
        ledger.archive()
        ledger.expire()
        ledger.assert_true(asked)


# In memory each turn takes long.
@pytest.mark.parametrize("mongo_database", ["live"], indirect=True)
@rarely
@given(turns=TURNS, bounds=BOUNDS)
def test_filters_are_combined_whatever_is_archived(
    ledgers: Callable[[], Ledger], turns: list[Row], bounds: tuple[int, int]
) -> None:
    ledger, stranger = ledgers(), ledgers()
    ledger.record(turns[: len(turns) // 2])
    stranger.record(turns)
    ledger.archive()
    ledger.record(turns[len(turns) // 2 :])

    for user_id, relationship_id in itertools.product((None, "u_1"), (None, "r_1")):
        ledger.assert_true(range_of(bounds, user_id=user_id, relationship_id=relationship_id))


@rarely
@given(turns=TURNS, days=WHOLE_DAYS)
def test_days_add_up_to_weeks_months_and_the_range(
    ledgers: Callable[[], Ledger], turns: list[Row], days: tuple[int, int]
) -> None:
    ledger = ledgers()
    ledger.record(turns)
    ledger.archive()
    asked = range_of(days, DAY_MS)
    (total,) = ledger.aggregates(asked, None)

    for grouping in Grouping:
        items = [aggregate_item(each) for each in ledger.aggregates(asked, grouping)]
        for name in ("total_turns", "turns_consumed"):
            assert sum(item[name] for item in items) == aggregate_item(total)[name]


class RestlessStore(UsageStore):
    """A store in which the archive commits between two reads, `times` times."""

    def __init__(self, database: Database[Row], commit: Callable[[], None], times: int) -> None:
        super().__init__(database)
        self._commit, self._times = commit, times

    def sum_open(self, *arguments: Any, **options: Any) -> Any:
        if self._times:
            self._times -= 1
            self._commit()
        return super().sum_open(*arguments, **options)


def test_a_commit_between_two_reads_is_noticed(mongo_database: Database[Row]) -> None:
    ledger = Ledger(mongo_database)
    make_schema(mongo_database)
    ledger.record([{"occurred_at": format_ms(START_MS + n)} for n in range(5)])
    ledger.service = UsageService(RestlessStore(mongo_database, ledger.archive, 1))

    ledger.assert_true(range_of((0, 1), DAY_MS))


def test_an_archive_that_never_stands_still_is_unavailable(
    mongo_database: Database[Row],
) -> None:
    ledger = Ledger(mongo_database)
    make_schema(mongo_database)
    ledger.record([{"occurred_at": format_ms(START_MS)}])
    number = itertools.count()

    def record_and_archive() -> None:
        ledger.record([{"occurred_at": format_ms(START_MS + next(number))}])
        ledger.archive()

    ledger.service = UsageService(RestlessStore(mongo_database, record_and_archive, 100))

    with pytest.raises(ArchiveMovedOn):
        ledger.aggregates(range_of((0, 1), DAY_MS), None)

    assert next(number) < 20
