"""Breakdowns equal brute force at every stage of the archive, and say what they lack."""

from collections.abc import Callable
from itertools import cycle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from app.http.instants import format_ms
from app.interactions.model import STATUSES, Filters
from app.usage.archive import Archiver
from app.usage.breakdown import DIMENSIONS
from app.usage.buckets import Grouping
from app.usage.errors import RangeNotAnswerable
from app.usage.items import aggregate_item, usage_item
from app.usage.rebuild import Rebuilder
from app.usage.rebuilding.store import RebuildStore
from app.usage.service import Slice
from tests.contract.usage import brute
from tests.contract.usage.brute import Row
from tests.contract.usage.earlier import EarlierStore
from tests.contract.usage.ledger import KEYS
from tests.contract.usage.test_answers import PERIOD, START_MS, Ledger, range_of
from tests.schema import make_schema
from tests.turns import DAY_MS, body, row

pytestmark = pytest.mark.slow  # seconds of work

DAYS_COUNT = 4
# Both ends lie in a day, so that parts of days are summed from raw turns.
CUT = (DAY_MS // 2, DAYS_COUNT * DAY_MS - DAY_MS // 2)
WHOLE = (0, DAYS_COUNT * DAY_MS)
names = st.sampled_from([None, "gpt-4.1", "a/b", "c:d-e"])
tokens = st.none() | st.integers(0, 1_000)
TURN = st.fixed_dictionaries(
    {
        "occurred_at": st.integers(0, DAYS_COUNT * DAY_MS - 1).map(
            lambda n: format_ms(START_MS + n)
        ),
        "mode": st.sampled_from(["stateless", "stateful"]),
        "user_id": st.sampled_from(["u_1", "u_2"]),
        "relationship_id": st.just("r_1"),
        "personality_id": st.sampled_from(["ada", "v1.5"]),
        "status": st.sampled_from(STATUSES),
        "usage": st.fixed_dictionaries(
            {
                "turns_consumed": st.integers(0, 3),
                "llm_provider": names,
                "llm_model": names,
                "input_tokens": tokens,
                "output_tokens": tokens,
            }
        ),
    }
)
TURNS = st.lists(TURN, max_size=6)
rarely = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])

very_rarely = settings(rarely, max_examples=4)


class KeyedLedger(Ledger):
    """An account whose turns have keys, and which of them an earlier release rolled up."""

    def __init__(self, database: Database[Row]) -> None:
        super().__init__(database)
        self._keys = cycle(KEYS)
        self._database = database
        self.unknown: set[str] = set()

    def record(self, turns: list[Row]) -> None:
        rows = [row(self.account, body(**each)) | next(self._keys) for each in turns]
        options = {"bypass_document_validation": True}
        if rows:
            self.raw.insert_many([dict(each) for each in rows], **options)
        self.rows += rows

    def archive_as_before(self) -> None:
        """Archive all that is live as the release before breakdowns."""
        days = {day.day: day.committed for day in self.store.days(self.account, "0", "9")}
        waiting = self.raw.find({"account": self.account, "open": {"$exists": True}})
        self.unknown |= {
            each["_id"] for each in waiting if each["open"] not in days.get(each["day"], ())
        }
        Archiver(EarlierStore(self._database), batch_count=7).run()

    def rebuild(self) -> None:
        days = {each["day"] for each in self.rows}
        found = Rebuilder(RebuildStore(self._database, 3)).rebuild([self.account], days)
        assert found.days_failed == 0
        self.unknown.clear()

    def assert_broken_down(self, asked: Filters, unknown: set[str] | None = None) -> None:
        """Require shares by brute force over the rows that `unknown` does not name."""
        gone = self.unknown if unknown is None else unknown
        for dimension in DIMENSIONS:
            for grouping in (Grouping.DAY, Grouping.MONTH):
                shown = self.broken_down(asked, grouping, dimension)
                expected = brute.grouped(self.rows, asked, grouping.value)
                for each, (_, rows) in zip(shown, expected, strict=True):
                    assert_same(each, rows, gone, dimension)
            (total,) = self.broken_down(asked, None, dimension)
            assert_same(total, brute.chosen(self.rows, asked), gone, dimension)

    def broken_down(self, asked: Filters, grouping: Grouping | None, dimension: str) -> list[Slice]:
        return self.service.aggregates(
            self.account, asked, grouping, START_MS + 100 * DAY_MS, dimension=dimension
        )


def assert_same(shown: Slice, rows: list[Row], gone: set[str], dimension: str) -> None:
    item = usage_item(shown)
    assert item["total_turns"] == len(rows)
    assert brute.sums(rows).items() <= item.items()
    known = [each for each in rows if each["_id"] not in gone]
    assert item["breakdown"] == brute.breakdown(known, dimension)
    assert item["breakdown_complete"] == (len(known) == len(rows))
    assert item.items() <= aggregate_item(shown).items()


@pytest.fixture
def ledgers(mongo_database: Database[Row]) -> Callable[[], KeyedLedger]:
    """Makes accounts on an empty database of each kind."""
    make_schema(mongo_database)
    return lambda: KeyedLedger(mongo_database)


@rarely
@given(early=TURNS, late=TURNS)
def test_breakdowns_equal_brute_force_at_every_stage_of_the_archive(
    ledgers: Callable[[], KeyedLedger], early: list[Row], late: list[Row]
) -> None:
    ledger, asked = ledgers(), range_of(CUT)
    ledger.record(early)
    ledger.assert_broken_down(asked)
    ledger.archive()
    ledger.record(late)
    ledger.assert_broken_down(asked)
    list(ledger.claim())
    ledger.assert_broken_down(asked)
    ledger.commit()
    ledger.assert_broken_down(asked)
    ledger.archive()
    ledger.assert_broken_down(asked)
    ledger.expire()
    ledger.assert_broken_down(range_of(WHOLE))


@very_rarely
@given(batches=st.lists(TURNS, min_size=3, max_size=3))
def test_days_of_two_releases_say_that_their_breakdown_lacks_turns(
    ledgers: Callable[[], KeyedLedger], batches: list[list[Row]]
) -> None:
    ledger, asked = ledgers(), range_of(WHOLE)
    for turns, archive in zip(
        batches, (ledger.archive_as_before, ledger.archive, ledger.archive_as_before), strict=True
    ):
        ledger.record(turns)
        ledger.assert_broken_down(asked)
        archive()
        ledger.assert_broken_down(asked)
    # Of users and of parts of days the turns themselves are summed.
    for user_id in ("u_1", "u_2"):
        ledger.assert_broken_down(range_of(CUT, user_id=user_id), unknown=set())
    if ledger.rows:
        ledger.rebuild()
    ledger.assert_broken_down(asked)


def test_usage_is_broken_down_as_aggregates_are(ledgers: Callable[[], KeyedLedger]) -> None:
    ledger, asked = ledgers(), range_of(WHOLE)
    turn = {"occurred_at": format_ms(START_MS), "usage": {"llm_model": "gpt-4o"}}
    ledger.record([turn, turn | {"status": "failed", "usage": {}}] * 3)
    ledger.archive()
    ledger.archive_as_before()
    for dimension in DIMENSIONS:
        aggregates = ledger.broken_down(asked, Grouping.DAY, dimension)
        usage = ledger.service.turns(
            ledger.account,
            asked,
            Grouping.DAY,
            PERIOD,
            START_MS + 100 * DAY_MS,
            dimension=dimension,
        )
        assert [usage_item(each) for each in usage] == [usage_item(each) for each in aggregates]


def test_without_a_dimension_nothing_is_broken_down(ledgers: Callable[[], KeyedLedger]) -> None:
    ledger = ledgers()
    ledger.record([{"occurred_at": format_ms(START_MS)}])
    for archive in (lambda: None, ledger.archive):
        archive()
        for grouping in (None, Grouping.DAY):
            shown = ledger.aggregates(range_of(WHOLE), grouping)
            assert {each.shares for each in shown} == {None}
            assert "breakdown" not in aggregate_item(shown[0])


def test_usage_is_broken_down_for_at_most_a_year_and_a_day(
    ledgers: Callable[[], KeyedLedger],
) -> None:
    ledger, now_ms = ledgers(), START_MS + 400 * DAY_MS
    options = {"period": PERIOD, "now_ms": now_ms, "grouping": Grouping.MONTH}

    def ask(days_count: int, dimension: str | None) -> list[Slice]:
        asked = Filters(from_ms=START_MS, to_ms=START_MS + days_count * DAY_MS)
        return ledger.service.turns(ledger.account, asked, dimension=dimension, **options)

    assert ask(366, "key")
    assert ask(367, None)
    with pytest.raises(RangeNotAnswerable) as raised:
        ask(367, "key")
    (field_error,) = raised.value.field_errors
    assert (field_error["field"], field_error["allowed"]) == ("breakdown", {"max_days": 366})
