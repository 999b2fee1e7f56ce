"""The archive says of turns what the turns themselves say, and only what is archived may expire."""

from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.http.instants import format_ms, parse_ms
from app.interactions.ids import lowest_ulid
from app.interactions.model import STATUSES, Filters
from app.usage.archive import Archived, Archiver
from app.usage.names import OTHERS
from app.usage.rollups import MAX_NAMES, Rollup, merged
from app.usage.store import Fence, UsageStore
from tests.contract.usage.ledger import Books, brute_force
from tests.turns import Body, at, body, new_account, stateful, whole

pytestmark = pytest.mark.slow  # seconds of work

NOON_MS = parse_ms("2026-11-20T12:00:00Z")
DAY_MS = 86_400_000
ANY_TURNS = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])

names = st.sampled_from(["pers.ada", "gpt-4.1", "a/b", "c:d-e"])


@st.composite
def turns(draw: st.DrawFn) -> Body:
    """Return a turn of one of three days."""
    feeling = draw(st.none() | st.sampled_from(["joy", "fear"]))
    return stateful(
        relationship_id=draw(st.sampled_from(["rel_1", "rel_2"])),
        user_id=draw(st.sampled_from(["u_1", "u_2"])),
        occurred_at=format_ms(NOON_MS + draw(st.integers(-DAY_MS, 2 * DAY_MS))),
        status=draw(st.sampled_from(STATUSES)),
        personality_id=draw(names),
        latency_ms=draw(st.integers(0, DAY_MS)),
        inferred_emotional_state=feeling and {"primary": feeling},
        usage={
            "llm_provider": draw(st.none() | names),
            "llm_model": draw(st.none() | names),
            "input_tokens": draw(st.none() | st.integers(0, 100_000_000)),
            "output_tokens": draw(st.none() | st.integers(0, 1_000)),
        },
    )


@ANY_TURNS
@given(st.lists(turns(), max_size=8), st.lists(turns(), max_size=8))
def test_live_archived_and_brute_force_agree(
    books: Books, early: list[Body], late: list[Body]
) -> None:
    account = Books(books.database)

    account.record(early)
    assert account.reported() == account.expected()
    account.archiver.run()
    account.record(late)
    assert account.reported() == account.expected()
    account.archiver.run()

    assert account.reported() == account.archived() == account.expected()
    assert [row for row in account.raw() if "open" in row] == []


def test_a_day_of_an_earlier_release_is_answered_and_added_to(books: Books) -> None:
    account = Books(books.database)
    account.record([at(NOON_MS, latency_ms=30_000)])
    account.archiver.run()
    day = {"account": account.account}
    unknown = {"$unset": {"latency_min_ms": "", "latency_max_ms": ""}}
    assert books.database["usage_daily"].update_one(day, unknown).modified_count == 1

    assert account.archived() == account.expected()  # one turn: its sum says it
    account.record([at(NOON_MS, latency_ms=90_000)])
    assert account.reported() == account.expected()
    account.archiver.run()
    assert account.archived() == account.expected()


@ANY_TURNS
@given(st.lists(turns(), max_size=10))
def test_filtered_sums_are_those_of_the_chosen_rows(books: Books, payloads: list[Body]) -> None:
    account = Books(books.database)
    account.record(payloads)
    first, before = lowest_ulid(NOON_MS - DAY_MS // 2), lowest_ulid(NOON_MS + DAY_MS)
    for filters in (
        Filters(),
        Filters(user_id="u_1"),
        Filters(relationship_id="rel_2"),
        Filters("u_1", "rel_2"),
    ):
        wanted = [
            row
            for row in account.rows
            if first <= row["_id"] < before
            and filters.user_id in (None, row["user_id"])
            and filters.relationship_id in (None, row["relationship_id"])
        ]
        found = account.store.sum_raw(account.account, filters, first, before, has_breakdown=True)
        assert set(found) == {row["day"] for row in wanted}
        assert merged(found.values()) == brute_force(wanted)


def test_running_again_changes_nothing(books: Books) -> None:
    books.record([whole(), body(), body(status="failed")])
    assert books.archiver.run() == Archived(turns=3, days=1)
    before = books.archived(), books.raw()

    assert books.archiver.run() == Archived()
    assert (books.archived(), books.raw()) == before


def test_the_archive_stays_when_the_turns_are_gone(books: Books) -> None:
    books.record([at(NOON_MS), at(NOON_MS + DAY_MS)])
    books.archiver.run()

    books.database["interactions"].delete_many({"expires_at": {"$exists": True}})

    assert books.raw() == []
    assert books.reported() == books.expected()


def test_a_turn_expires_180_days_after_its_day_and_only_if_it_is_archived(books: Books) -> None:
    books.record([at(NOON_MS)])
    assert "expires_at" not in books.raw()[0]

    books.archiver.run()

    (row,) = books.raw()
    assert row["expires_at"] == datetime(2026, 11, 21, tzinfo=UTC) + timedelta(days=180)
    assert "open" not in row


def test_late_turns_are_added_to_their_day_and_the_revision_moves_on(books: Books) -> None:
    books.record([at(NOON_MS)])
    books.archiver.run()
    (day,) = books.store.days(books.account, "2026-11-20", "2026-11-20")

    books.record([at(NOON_MS + 1)])
    books.archiver.run()

    (again,) = books.store.days(books.account, "2026-11-20", "2026-11-20")
    assert (day.rollup.total_turns, again.rollup.total_turns) == (1, 2)
    assert again.revision > day.revision


def test_accounts_do_not_mix(books: Books) -> None:
    other = new_account()
    books.record([at(NOON_MS, latency_ms=7)])
    books.record([at(NOON_MS, latency_ms=9), at(NOON_MS)], account=other)

    assert list(books.store.open_days()) == sorted(
        [(books.account, "2026-11-20"), (other, "2026-11-20")]
    )
    assert books.archiver.run() == Archived(turns=3, days=2)
    assert books.reported() == books.expected()


def test_who_is_overtaken_cannot_commit_and_nothing_is_counted_twice(books: Books) -> None:
    books.record([at(NOON_MS)])
    account, day, store = books.account, "2026-11-20", books.store
    slow = store.fence(account, day)
    assert store.claim_new(account, day, slow, 10) == 1
    sums = store.sum_claimed(account, day, slow)

    assert books.archiver.run() == Archived(turns=1, days=1)

    assert store.commit(account, day, slow, sums) is False
    assert books.reported() == books.archived() == books.expected()


def test_who_died_before_stamping_is_finished_by_the_next(books: Books) -> None:
    books.record([at(NOON_MS)])
    account, day, store = books.account, "2026-11-20", books.store
    fence = store.fence(account, day)
    store.claim_new(account, day, fence, 10)
    assert store.commit(account, day, fence, store.sum_claimed(account, day, fence))
    assert books.reported() == books.expected()

    books.archiver.run()

    assert books.reported() == books.archived() == books.expected()
    assert "open" not in books.raw()[0]


def test_what_a_dead_archiver_claimed_is_claimed_before_anything_new(books: Books) -> None:
    books.record([at(NOON_MS + number) for number in range(4)])
    account, day, store = books.account, "2026-11-20", books.store
    assert store.claim_new(account, day, store.fence(account, day), 3) == 3

    second = store.fence(account, day)

    assert store.claim_left(account, day, second) == 3
    assert store.sum_claimed(account, day, second).total_turns == 3
    assert [row["open"] for row in books.raw()].count(0) == 1


def test_a_run_takes_what_was_left_and_what_is_new(books: Books) -> None:
    books.record([at(NOON_MS + number) for number in range(4)])
    account, day, store = books.account, "2026-11-20", books.store
    store.claim_new(account, day, store.fence(account, day), 2)
    batches: list[int] = []

    books.archiver.run(batches.append)

    assert batches == [2, 2]
    assert books.archived() == books.expected()


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_day_is_archived_batch_by_batch(books: Books, count: int) -> None:
    books.record([at(NOON_MS + number) for number in range(count)])
    batches: list[int] = []

    archived = books.archiver.run(batches.append)

    assert archived == Archived(turns=count, days=1)
    assert sum(batches) == count
    assert max(batches) <= 3
    assert books.archived() == books.expected()


def test_the_archive_knows_nobody(books: Books) -> None:
    people = {"user_id": "u_canary", "relationship_id": "rel_canary"}
    books.record([whole(**people), stateful(**people)])
    ids = [row["_id"] for row in books.rows] + [row["turn_key"] for row in books.rows]

    books.archiver.run()
    books.store.freeze_period(books.account, "2026-11-23", 1)

    for name in ("usage_daily", "usage_period"):
        for document in books.database[name].find():
            stored = bson.encode(document)
            assert not [word for word in ["canary", *ids] if word.encode() in stored]
    assert books.database["usage_daily"].count_documents({}) == 1
    assert books.database["usage_period"].count_documents({}) == 1


def test_a_frozen_period_keeps_its_first_number(books: Books) -> None:
    for active in (3, 2):
        books.store.freeze_period(books.account, "2026-10-23", active)
    found: list[dict[str, Any]] = list(books.database["usage_period"].find({}, {"_id": 0}))
    assert found == [{"account": books.account, "period": "2026-10-23", "active_relationships": 3}]
    assert books.store.frozen_periods(books.account) == {"2026-10-23"}


class Stale(UsageStore):
    """Reads sums from a copy that does not show the claim yet."""

    def sum_claimed(self, account: str, day: str, fence: Fence) -> Rollup:
        return Rollup()


def test_a_sum_that_misses_claimed_turns_is_not_committed(books: Books) -> None:
    books.record([body(occurred_at=format_ms(NOON_MS))])
    assert Archiver(Stale(books.database)).run() == Archived(days=1, days_overtaken=1)
    assert [row for row in books.raw() if "expires_at" in row] == []
    books.archiver.run()
    assert books.archived() == books.expected()


class Poisoned(UsageStore):
    """Cannot commit the days of one account."""

    def __init__(self, books: Books, account: str) -> None:
        super().__init__(books.database)
        self.account = account

    def commit(self, account: str, day: str, fence: Fence, rollup: Rollup) -> bool:
        if account == self.account:
            raise ValueError("a document that is too large, say")
        return super().commit(account, day, fence, rollup)


def test_a_day_that_cannot_be_archived_costs_nobody_else_anything(books: Books) -> None:
    poisoned = books.account.replace("org_01", "org_00")  # archived first
    books.record([body(occurred_at=format_ms(NOON_MS))], poisoned)
    books.record([body(occurred_at=format_ms(NOON_MS))])
    archived = Archiver(Poisoned(books, poisoned)).run()
    assert archived == Archived(turns=1, days=2, days_failed=1)
    assert archived.is_whole, "it may fail for ever, and others are not late"
    assert books.archived() == books.expected()


def test_a_day_has_no_room_for_endless_names(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAX_NAMES, "personalities", 2)
    names = ["a", "b", "a", "c", "d", "a", "e"]
    for name in names:
        books.record([body(occurred_at=format_ms(NOON_MS), personality_id=name)])
        books.archiver.run()
    (day,) = books.archived().values()
    assert day.personalities == {"a": 3, "b": 1, OTHERS: 3}
    assert day.total_turns == len(names)
