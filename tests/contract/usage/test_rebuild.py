"""A rebuilt day says what its turns say; a day that lacks turns stays as it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.backends.containment import Containment
from app.http.instants import parse_ms
from app.interactions.retention import expiry_of
from app.usage.archive import Archiver
from app.usage.errors import DayTooOld
from app.usage.rebuild import Rebuilder, Rebuilt, require_recent
from app.usage.rebuilding.store import RebuildStore
from app.usage.rollups import Rollup
from app.usage.store import Fence
from tests.contract.usage.earlier import EarlierStore
from tests.contract.usage.ledger import Books
from tests.contract.usage.odd_rows import SET_ASIDE, put, with_, without
from tests.turns import DAY_MS, Body, at, new_account, whole

pytestmark = pytest.mark.slow  # seconds of work

NOON_MS = parse_ms("2026-11-20T12:00:00Z")
DAY, NEXT = "2026-11-20", "2026-11-21"
ANY_TURNS = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rebuild(books: Books, *days: str, ledger: RebuildStore | None = None) -> Rebuilt:
    """Rebuild days of the account; every failure is an error."""
    containment = Containment()
    found = Rebuilder(ledger or RebuildStore(books.database, 3)).rebuild(
        [books.account], days or (DAY,), containment=containment
    )
    assert containment.failures == []
    return found


def refusal(books: Books, ledger: RebuildStore | None = None) -> str:
    """Return why the day was not rebuilt; its document must not have changed."""
    before, containment = document(books), Containment()
    found = Rebuilder(ledger or RebuildStore(books.database)).rebuild(
        [books.account], [DAY], containment=containment
    )
    assert found == Rebuilt(days_failed=1)
    assert document(books) | {"fence": 0} == before | {"fence": 0}
    (failure,) = containment.failures
    assert failure.sentence.startswith(f"{books.account} {DAY}: day not rebuilt. ")
    return failure.reason


def document(books: Books) -> dict[str, Any]:
    found = books.database["usage_daily"].find_one({"account": books.account, "day": DAY})
    return found or {}


def earlier_archiver(books: Books) -> Archiver:
    return Archiver(EarlierStore(books.database), batch_count=2)


def kinds(first: int, count: int) -> list[Body]:
    """Return different turns of the day."""
    return [
        whole(
            occurred_at=at(NOON_MS + number)["occurred_at"],
            latency_ms=100 + 37 * number,
            personality_id=f"pers_{number % 3}",
        )
        for number in range(first, first + count)
    ]


def test_a_day_of_an_earlier_release_gets_its_breakdown(books: Books) -> None:
    books.record(kinds(0, 7))
    earlier_archiver(books).run()
    assert books.archived()[DAY].breakdown.turns == 0

    assert rebuild(books) == Rebuilt(turns=7, days=1)

    assert books.archived() == books.expected()
    assert rebuild(books) == Rebuilt(turns=7, days=1)
    assert books.archived() == books.expected()


def test_a_day_of_two_releases_is_incomplete_until_it_is_rebuilt(books: Books) -> None:
    for first, archiver in enumerate([books.archiver, earlier_archiver(books)] * 2):
        books.record(kinds(first * 5, 5))
        archiver.run()
    (day,) = books.archived().values()
    assert (day.total_turns, day.breakdown.turns) == (20, 10)
    assert books.reported() == books.archived()

    rebuild(books)

    assert books.archived() == books.expected()
    assert books.archived()[DAY].breakdown.turns == 20


def test_a_rebuild_restores_extremes_and_all_that_the_turns_say(books: Books) -> None:
    books.record(kinds(0, 5))
    books.archiver.run()
    damage = {"$unset": {"latency_min_ms": "", "latency_max_ms": ""}, "$set": {"input_tokens": 1}}
    books.database["usage_daily"].update_one({"account": books.account}, damage)
    assert books.archived() != books.expected()
    rebuild(books)
    assert books.archived() == books.expected()


def test_a_roll_up_that_is_older_than_the_turns_is_brought_up_to_date(books: Books) -> None:
    """Restore a backup of the roll-ups alone."""
    books.record(kinds(0, 3))
    books.archiver.run()
    backup = document(books)
    books.record(kinds(3, 4))
    books.archiver.run()
    books.database["usage_daily"].replace_one({"_id": backup["_id"]}, backup)
    assert rebuild(books) == Rebuilt(turns=7, days=1)
    assert books.archived() == books.expected()


def claim(books: Books) -> Fence:
    fence = books.store.fence(books.account, DAY)
    books.store.set_expiry(books.account, DAY, fence.committed, expiry_of(DAY))
    books.store.claim_left(books.account, DAY, fence) or books.store.claim_new(
        books.account, DAY, fence, 2
    )
    return fence


def commit(books: Books) -> None:
    """Commit as an archiver that dies before it sets the expiry."""
    fence = claim(books)
    rollup = books.store.sum_claimed(books.account, DAY, fence)
    assert books.store.commit(books.account, DAY, fence, rollup)


STAGES = {"archived": lambda books: books.archiver.run(), "committed": commit, "claimed": claim}


# In memory each stage takes seconds.
@pytest.mark.parametrize("mongo_database", ["live"], indirect=True)
@ANY_TURNS
@given(stages=st.lists(st.sampled_from(sorted(STAGES)), max_size=4), rest=st.integers(0, 3))
def test_live_turns_stay_live_at_every_stage_of_the_archive(
    books: Books, stages: list[str], rest: int
) -> None:
    account = Books(books.database)
    for number, stage in enumerate(stages):
        account.record(kinds(4 * number, 3))
        STAGES[stage](account)
        rebuild(account)
        assert account.reported() == account.expected()
    account.record(kinds(100, rest))
    rows = account.raw()

    rebuild(account)

    assert account.raw() == rows
    assert account.reported() == account.expected()
    account.archiver.run()
    assert account.archived() == account.expected()


def test_a_day_that_lacks_a_turn_is_refused(books: Books) -> None:
    books.record(kinds(0, 5))
    books.archiver.run()
    books.database["interactions"].delete_one({"_id": books.rows[3]["_id"]})
    assert refusal(books) == ("Only 4 of its 5 turns are still stored. The roll-up stays as it is.")


def test_a_day_that_lacks_all_turns_is_refused(books: Books) -> None:
    books.record(kinds(0, 5))
    books.archiver.run()
    books.database["interactions"].delete_many({})
    books.record(kinds(5, 5))  # live ones do not stand in
    assert refusal(books).startswith("Only 0 of its 5 turns")
    assert books.reported() == books.expected()


def test_turns_that_cannot_be_summed_do_not_count(books: Books) -> None:
    books.record(kinds(0, 4))
    put(books.database, books.account, kinds(9, 1)[0], SET_ASIDE["no latency"])
    assert books.archiver.run().turns_set_aside == 1
    assert rebuild(books) == Rebuilt(turns=4, days=1)
    assert books.archived() == books.expected()


@pytest.mark.parametrize("change", [without("open"), with_(open="yes")])
def test_a_day_whose_turns_may_have_been_set_aside_is_refused(books: Books, change: Any) -> None:
    books.record(kinds(0, 4))
    put(books.database, books.account, kinds(9, 1)[0], change)
    books.archiver.run()
    assert rebuild(books) == Rebuilt(turns=4, days=1), "it has no expiry yet"
    assert books.archiver.set_unreachable_aside() == 1
    assert refusal(books) == (
        "5 turns are stored and 4 are rolled up, but turns of this day were set aside (1) and may "
        "be among them. The roll-up stays as it is."
    )


def test_a_turn_that_was_set_aside_does_not_stand_in_for_one_that_is_gone(books: Books) -> None:
    books.record(kinds(0, 4))
    put(books.database, books.account, kinds(9, 1)[0], without("open"))
    books.archiver.run()
    assert books.archiver.set_unreachable_aside() == 1
    books.database["interactions"].delete_one({"_id": books.rows[3]["_id"]})
    assert "turns of this day were set aside (1)" in refusal(books)


def test_a_day_without_a_roll_up_is_reported_and_nothing_is_made(books: Books) -> None:
    books.record(kinds(0, 3))  # live ones
    found = rebuild(books, NEXT, DAY)
    assert found == Rebuilt(empty_days=(DAY, NEXT))
    assert books.database["usage_daily"].count_documents({}) == 0


class Contended(RebuildStore):
    """A store in which an archiver works while the turns are summed, `times` times."""

    def __init__(self, books: Books, times: int) -> None:
        super().__init__(books.database)
        self._books, self._times, self.fences = books, times, 0

    def sum_rolled_up(self, account: str, day: str, fence: Fence) -> Iterator[Rollup]:
        self.fences += 1
        yield from super().sum_rolled_up(account, day, fence)
        if self._times:
            self._times -= 1
            self._books.record(kinds(10 * self.fences, 4))
            self._books.archiver.run()


def test_a_rebuild_that_is_overtaken_begins_again(books: Books) -> None:
    books.record(kinds(0, 5))
    earlier_archiver(books).run()
    ledger = Contended(books, times=2)
    assert rebuild(books, ledger=ledger) == Rebuilt(turns=13, days=1)
    assert ledger.fences == 3
    assert books.archived() == books.expected()


def test_a_rebuild_that_is_always_overtaken_ends_without_effect(books: Books) -> None:
    books.record(kinds(0, 5))
    books.archiver.run()
    containment = Containment()
    Rebuilder(Contended(books, times=99)).rebuild([books.account], [DAY], containment=containment)
    (failure,) = containment.failures
    assert failure.reason == "The archive changed the day 5 times meanwhile. Run it again."
    assert books.archived() == books.expected()


def test_an_archiver_that_is_overtaken_by_a_rebuild_goes_on_in_its_next_pass(books: Books) -> None:
    books.record(kinds(0, 5))
    earlier_archiver(books).run()
    books.record(kinds(5, 2))
    fence = claim(books)
    rollup = books.store.sum_claimed(books.account, DAY, fence)

    rebuild(books)

    assert not books.store.commit(books.account, DAY, fence, rollup)
    assert books.reported() == books.expected()
    books.archiver.run()
    assert books.archived() == books.expected()


def test_a_damaged_roll_up_costs_its_day_alone(books: Books) -> None:
    other = Books(books.database)
    for each in (books, other):
        each.record([*kinds(0, 3), at(NOON_MS + DAY_MS)])
        each.archiver.run()
    chosen = {"account": books.account, "day": DAY}
    books.database["usage_daily"].update_one(chosen, {"$set": {"by_status": "many"}})
    containment, batches = Containment(), list[int]()
    rebuilder = Rebuilder(RebuildStore(books.database, 2))
    accounts = [books.account, other.account, new_account()]

    assert rebuilder.count_turns(accounts, [DAY, NEXT]) == 5
    found = rebuilder.rebuild(accounts, [DAY, NEXT], batches.append, containment)

    assert found == Rebuilt(turns=5, days=3, days_failed=1)
    assert sorted(batches) == [1, 1, 1, 2]
    (failure,) = containment.failures
    assert (failure.account, failure.names["day"]) == (books.account, DAY)
    assert "by_status" in failure.reason


def test_a_day_is_refused_before_its_turns_expire() -> None:
    expires_at = datetime(2026, 11, 21, tzinfo=UTC) + timedelta(days=180)
    require_recent([DAY], expires_at - timedelta(hours=1, seconds=1))
    with pytest.raises(DayTooOld) as raised:
        require_recent([NEXT, DAY], expires_at - timedelta(hours=1))
    assert "from 2026-11-21 on" in str(raised.value)
    require_recent([NEXT], expires_at - timedelta(hours=1))
