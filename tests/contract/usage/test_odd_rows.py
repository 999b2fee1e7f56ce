"""A row that lacks fields costs nobody anything: its day is archived, and it expires."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from structlog.testing import capture_logs

from app.http.application import provided
from app.http.durations import HOUR_US
from app.http.instants import parse_ms, utc_now
from app.interactions.ids import lowest_ulid
from app.interactions.model import STATUSES, Filters
from app.interactions.retention import RETENTION
from app.usage.archive_pass import ArchivePass
from app.usage.breakdown import DIMENSIONS, Sums, added_up
from app.usage.health import ArchiveHealth
from app.usage.notes.store import PassNotes
from app.usage.rollups import Rollup, merged
from tests.callers import Clock, new_caller
from tests.contract.usage.ledger import Books
from tests.contract.usage.odd_rows import COUNTED, SET_ASIDE, Change, put
from tests.turns import at, whole

NOON_MS = parse_ms("2026-11-20T12:00:00Z")
DAY = "2026-11-20"
EXPIRES_AT = datetime(2026, 11, 21, tzinfo=UTC) + RETENTION


def at_noon(number: int = 0) -> dict[str, object]:
    return whole(occurred_at=at(NOON_MS + number)["occurred_at"])


def archive(books: Books) -> int:
    """Archive all; how many turns were set aside."""
    archived = books.archiver.run()
    assert archived.is_whole
    return archived.turns_set_aside + books.archiver.set_unreachable_aside()


@pytest.mark.parametrize("change", COUNTED.values(), ids=COUNTED.keys())
def test_what_a_row_lacks_counts_as_nothing_and_its_day_is_archived(
    books: Books, change: Change
) -> None:
    books.record([at_noon(1), at_noon(2)])
    put(books.database, books.account, at_noon(), change)
    before = books.reported()

    assert archive(books) == 0

    assert books.archived() == books.reported() == before
    (day,) = books.archived().values()
    assert day.total_turns == 3
    extremes = day.latency_min_ms, day.latency_max_ms
    assert {type(value) for value in (day.latency_sum_ms, day.output_tokens, *extremes)} == {int}
    assert day.breakdown.turns == day.total_turns
    for dimension in DIMENSIONS:
        (sums,) = added_up(
            [{"": each} for each in getattr(day.breakdown, dimension).values()]
        ).values()
        assert sums == Sums(3, day.turns_consumed, day.input_tokens, day.output_tokens)
    assert {name for names in (day.personalities, day.models) for name in names} <= {
        *("pers_ada", "openai/gpt-4o", "unknown/gpt-4o"),
    }
    assert [found for found in books.raw() if "open" in found] == []
    assert {found["expires_at"] for found in books.raw()} == {EXPIRES_AT}


@pytest.mark.parametrize("change", SET_ASIDE.values(), ids=SET_ASIDE.keys())
def test_a_row_that_cannot_be_summed_is_set_aside_and_expires(books: Books, change: Change) -> None:
    books.record([at_noon(number) for number in range(1, 8)])
    odd = put(books.database, books.account, at_noon(), change)

    with capture_logs() as logs:
        assert archive(books) == 1

    assert books.archived() == books.expected()
    assert list(books.database["interactions"].find({"expires_at": None})) == []
    (found,) = books.database["interactions"].find({"_id": odd["_id"]})
    assert "open" not in found
    assert found["expires_at"] <= utc_now() + RETENTION + timedelta(days=1)
    assert without_archive(found) == without_archive(odd)
    (line,) = [line for line in logs if line["event"] == "turns_set_aside"]
    assert (line["turns"], line["log_level"]) == (1, "error")
    assert PassNotes(books.database).count_set_aside() == 1
    assert PassNotes(books.database).list_set_aside(9) == {f"{line['account']}/{line['day']}": 1}
    assert archive(books) == 0


def without_archive(found: dict[str, object]) -> dict[str, object]:
    return {name: f"{value}" for name, value in found.items() if name not in {"open", "expires_at"}}


def test_every_odd_row_together_with_good_ones(books: Books) -> None:
    books.record([at_noon(number) for number in range(100, 120)])
    changes = [*SET_ASIDE.values(), *COUNTED.values()]
    for number, change in enumerate(changes):
        put(books.database, books.account, at_noon(number), change)

    assert archive(books) == len(SET_ASIDE)

    assert books.archived()[DAY].total_turns == 20 + len(COUNTED)
    assert set(books.archived()) == {DAY}
    assert list(books.database["interactions"].find({"expires_at": None})) == []
    assert PassNotes(books.database).count_set_aside() == len(SET_ASIDE)


@pytest.mark.parametrize("change", SET_ASIDE.values(), ids=SET_ASIDE.keys())
def test_what_cannot_be_summed_is_in_no_answer_before_it_is_set_aside(
    books: Books, change: Change
) -> None:
    books.record([at_noon(1)])
    put(books.database, books.account, at_noon(), change)
    first, before = lowest_ulid(NOON_MS), lowest_ulid(NOON_MS + 1_000)

    assert books.reported().get(DAY, Rollup()).total_turns == 1
    raw = merged(books.store.sum_raw(books.account, Filters(), first, before).values())
    # Rows with faults only in their archive's fields is still a turn of its people.
    assert raw.total_turns in {1, 2}
    assert set(raw.by_status) <= set(STATUSES)


def test_operators_see_how_many_turns_were_set_aside(app: Flask) -> None:
    caller, clock = new_caller(app), Clock(app)
    with app.app_context():
        archive_pass, health = provided(ArchivePass), provided(ArchiveHealth)
        database = health._store._rows.database
        good = at(clock.now_ms)
        put(database, caller.account, at(clock.now_ms), SET_ASIDE["no status"])
        put(database, caller.account, at(clock.now_ms), SET_ASIDE["no day"])
        caller.import_([good], recorded_at_us=clock.now_us)

        assert archive_pass.run().turns_set_aside == 2
        put(database, caller.account, at(clock.now_ms), SET_ASIDE["no day"])
        assert archive_pass.run().turns_set_aside == 0
        clock.move(us=HOUR_US)
        assert archive_pass.run().turns_set_aside == 1

        assert health.measure().set_aside_turns == 3
        assert health.readings()["set_aside_turns"] == 3
    day = good["occurred_at"][:10]
    answer = app.test_client().get("/readyz").get_json()
    assert answer["archive"]["set_aside_turns"] == 3
    status = app.test_cli_runner().invoke(args=["archive", "status", "--json"])
    assert f'"{caller.account}/{day}": 3' in status.stdout
