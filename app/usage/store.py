"""Store the days of accounts in `usage_daily`, and do the archive's steps.

The document of a day holds:

- its roll-up,
- `fence`: the last fence that was issued,
- `committed`: the fences whose turns are in the roll-up; these turns may still be open,
- `revision`: the number of commits.

`app.usage` defines open and live turns, `app.usage.archive` has the protocol.
"""

from collections.abc import Collection as Group
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pymongo import ASCENDING, ReturnDocument
from pymongo.collection import Collection
from pymongo.database import Database

from app.admission.policy import EXACT_BELOW
from app.backends.definitions import Indexes
from app.http.faults import AccountFault
from app.interactions.ids import find_instant_ms
from app.interactions.model import Filters
from app.interactions.store import COLLECTION as INTERACTIONS
from app.interactions.store import chosen_by
from app.usage.documents import DamagedRollup, from_document, to_document
from app.usage.open_rows.store import BY_OPEN, OpenRowStore
from app.usage.pipeline import GROUPS_COUNT, by_day, rollups_of
from app.usage.rollups import Document, Rollup, bounded, merged
from app.usage.setting_aside import OpenRows
from app.usage.summable import IS_OPEN, NO_ARRAY

COLLECTION = "usage_daily"
PERIODS = "usage_period"
DAY_INDEXES: Indexes = {"day": (("account", "day"), {"unique": True})}
PERIOD_INDEXES: Indexes = {"period": (("account", "period"), {"unique": True})}
_OF_EACH_DAY = ("day", "committed", "revision")
# Without it a second batch begins after the first 101 days. The database ends a batch at 16 MB,
# which holds about 30 days with all the names that they keep.
_ONE_BATCH = 1_000


class UsageDay(NamedTuple):  # one is made for each day of an answer, as a roll-up
    """The archived turns of a day (`2026-11-23`, UTC) of an account.

    `app.usage` defines the live turns beside it. As long as `revision` is the same, no turn has
    moved into the roll-up.
    """

    day: str
    committed: tuple[int, ...] = ()
    revision: int = 0
    rollup: Rollup = Rollup()


@dataclass(frozen=True, slots=True)
class Fence:
    """A fencing token of a day, and the state of the day when it was issued.

    Until a newer fence is issued, only its owner can change `rollup`.
    """

    number: int
    committed: tuple[int, ...]
    rollup: Rollup


class UsageStore:
    """Reads and writes the days of accounts. Driver errors pass through."""

    def __init__(self, database: Database[Document]) -> None:
        self.open_rows: OpenRows = OpenRowStore(database)
        self._rows: Collection[Document] = database[INTERACTIONS]
        self._days: Collection[Document] = database[COLLECTION]
        self._periods: Collection[Document] = database[PERIODS]

    # Reads for answers.

    def days(
        self,
        account: str,
        first_day: str,
        last_day: str,
        parts: Group[str] = (),
        *,
        left_out: Sequence[str] = (),
    ) -> Iterator[UsageDay]:
        """Read the archived days from `first_day` to `last_day`, both included, oldest first.

        With `parts` only these of a roll-up's counts and sums are read, the others are nothing. Few
        days are in memory at a time. The days `left_out` are not read.
        """
        days: Document = {"$gte": first_day, "$lte": last_day}
        if left_out:
            days["$nin"] = list(left_out)
        return self._read_days({"account": account, "day": days}, parts)

    def days_named(
        self, account: str, days: Sequence[str], parts: Group[str] = ()
    ) -> Iterator[UsageDay]:
        """Read these of the archived days, oldest first; `parts` as for `days`."""
        return self._read_days({"account": account, "day": {"$in": list(days)}}, parts)

    def _read_days(self, chosen: Document, parts: Group[str]) -> Iterator[UsageDay]:
        shown = {"_id": 0} | dict.fromkeys((*_OF_EACH_DAY, *parts), 1) if parts else None
        account = chosen["account"]
        found = self._days.find(chosen, shown).sort("day", ASCENDING).batch_size(_ONE_BATCH)
        return (_usage_day(account, document) for document in found)

    def revisions(self, account: str, days: Sequence[str]) -> dict[str, int]:
        """Return the revision of each of `days` that is archived."""
        chosen = {"account": account, "day": {"$in": list(days)}}
        found = self._days.find(chosen, {"_id": 0, "day": 1, "revision": 1})
        return {day["day"]: day.get("revision", 0) for day in found}

    def live_days(self, account: str, first_day: str, last_day: str) -> list[str]:
        """Return the days in the range with turns that are still `open`, oldest first."""
        days = {"$gte": first_day, "$lte": last_day}
        chosen = {"account": account, "day": days, "open": IS_OPEN}
        return sorted(self._rows.distinct("day", chosen))

    def sum_open(
        self,
        account: str,
        committed: Mapping[str, Group[int]],
        *,
        has_breakdown: bool = False,
    ) -> dict[str, Rollup]:
        """Return the live turns of each day in `committed`, which has the day's committed fences.

        A claim raises a turn's `open`, so it moves ahead in this index and never back: the scan
        forwards may meet it twice but cannot miss it.
        """
        live: dict[str, Rollup] = {}
        for day, fences in committed.items():
            chosen = {"account": account, "day": day, "open": IS_OPEN | {"$nin": sorted(fences)}}
            steps = by_day(chosen, moving=True, has_breakdown=has_breakdown)
            groups = self._rows.aggregate(steps, hint=BY_OPEN, batchSize=GROUPS_COUNT)
            live |= rollups_of(groups, has_breakdown=has_breakdown)
        return live

    def sum_raw(
        self,
        account: str,
        filters: Filters,
        first_ulid: str,
        before_ulid: str,
        *,
        has_breakdown: bool = False,
    ) -> dict[str, Rollup]:
        """Return the roll-up of each day that has turns with `first_ulid <= id < before_ulid`.

        Applies the user and the relationship of `filters`, not its range. Reads all such turns.
        """
        chosen, index = chosen_by(account, filters, first_ulid, before_ulid)
        return self._sum(chosen, has_breakdown=has_breakdown, hint=index)

    def _sum(self, chosen: Document, *, has_breakdown: bool, hint: str) -> dict[str, Rollup]:
        steps = by_day(chosen, has_breakdown=has_breakdown)
        groups = self._rows.aggregate(steps, batchSize=GROUPS_COUNT, hint=hint)
        return rollups_of(groups, has_breakdown=has_breakdown)

    # The archive's steps, each one operation.

    def open_days(self) -> Iterator[tuple[str, str]]:
        """Yield account and day of all open turns, in order, by one look-up for each day."""
        account, day = "", ""
        while True:
            # By type: a row without a day, or with an odd one, must not end the listing.
            found = self._next_open(
                {"account": {"$eq": account}, "day": {"$gt": day}}
            ) or self._next_open({"account": {"$gt": account}, "day": {"$gt": ""}})
            if found is None:
                return
            account, day = found["account"], found["day"]
            yield account, day

    def _next_open(self, chosen: Document) -> Document | None:
        texts = {name: bounds | NO_ARRAY for name, bounds in chosen.items()}
        found = self._rows.find(texts | {"open": IS_OPEN}, {"account": 1, "day": 1})
        order = [("account", ASCENDING), ("day", ASCENDING)]
        return next(iter(found.sort(order).limit(1).hint(BY_OPEN)), None)

    def fence(self, account: str, day: str) -> Fence:
        """Issue a new fence: archivers with an earlier one can no longer commit."""
        found: Any = self._days.find_one_and_update(
            {"account": account, "day": day},
            {"$inc": {"fence": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        taken = _usage_day(account, found)
        return Fence(found["fence"], taken.committed, taken.rollup)

    def claim_left(self, account: str, day: str, fence: Fence) -> int:
        """Claim the turns that others have claimed and not committed; return their number.

        If this or `claim_new` fails, its outcome is unknown and it may still be
        running: take a new fence, never this one again.
        """
        left = {"$gt": 0, "$lt": fence.number, "$nin": list(fence.committed)}
        return self._claim({"account": account, "day": day, "open": left}, fence)

    def claim_new(self, account: str, day: str, fence: Fence, at_most: int) -> int:
        """Claim turns that no archiver has claimed, the oldest first; return their number."""
        new: Document = {"account": account, "day": day, "open": 0}
        order = [("open", ASCENDING), ("_id", ASCENDING)]
        for last in self._rows.find(new, {"_id": 1}).sort(order).skip(at_most - 1).limit(1):
            new["_id"] = {"$lte": last["_id"]}
        return self._claim(new, fence)

    def _claim(self, chosen: Document, fence: Fence) -> int:
        return self._update(chosen, {"$set": {"open": fence.number}})

    def sum_claimed(self, account: str, day: str, fence: Fence) -> Rollup:
        """Return the roll-up of the turns that carry the fence's number."""
        chosen = {"account": account, "day": day, "open": fence.number}
        return merged(self._sum(chosen, has_breakdown=True, hint=BY_OPEN).values())

    def commit(self, account: str, day: str, fence: Fence, rollup: Rollup) -> bool:
        """Add `rollup` to the day; return False if there is a newer fence.

        The update replaces the whole sum: with this fence the day is still as it was when the fence
        was issued. It drops the fences that were committed before, which no turn carries any more.
        """
        grown = merged([fence.rollup, bounded(rollup, fence.rollup)])
        change = {
            "$set": to_document(grown) | {"committed": [fence.number]},
            "$inc": {"revision": 1},
        }
        chosen = {"account": account, "day": day, "fence": fence.number}
        return self._days.update_one(chosen, change).modified_count == 1

    def set_expiry(self, account: str, day: str, fences: Group[int], expires_at: datetime) -> int:
        """Set `expires_at` of the turns that carry one of `fences`, all committed.

        They are no longer open. Returns their number.
        """
        if not fences:
            return 0
        chosen = {"account": account, "day": day, "open": {"$in": sorted(fences)}}
        change = {"$unset": {"open": ""}, "$set": {"expires_at": expires_at}}
        return self._update(chosen, change)

    def _update(self, chosen: Document, change: Document) -> int:
        return self._rows.update_many(chosen, change, hint=BY_OPEN).modified_count

    # Active relationships do not add up from day to day.

    def frozen_periods(self, account: str) -> set[str]:
        """Return labels of the billing periods whose active relationships are frozen."""
        return {found["period"] for found in self._periods.find({"account": account})}

    def freeze_period(self, account: str, period: str, active_relationships: int) -> None:
        """Store the number of active relationships of a period, unless one is stored."""
        self._periods.update_one(
            {"account": account, "period": period},
            {"$setOnInsert": {"active_relationships": active_relationships}},
            upsert=True,
        )

    # Reads for the state of the archive.

    def find_open_us(self) -> int | None:
        """Return when one of the open turns was recorded, in microseconds; None if none is open."""
        found = next(iter(self._rows.find({"open": IS_OPEN}).limit(1).hint(BY_OPEN)), None)
        return None if found is None else _recorded_us(found)

    def count_open(self, account: str, day: str) -> int:
        """Return the number of open turns of the day."""
        return self._rows.count_documents({"account": account, "day": day, "open": IS_OPEN})

    def count_older(self, before_ulid: str, at_most: int) -> int:
        """Return the number of turns of all accounts with a lower id, counted up to `at_most`."""
        return self._rows.count_documents({"_id": {"$lt": before_ulid}}, limit=at_most)


def _recorded_us(row: Document) -> int | None:
    """Return when a row was recorded, or else the instant in its id."""
    recorded_at = row.get("recorded_at")
    if isinstance(recorded_at, int) and 0 <= recorded_at < EXACT_BELOW:
        return recorded_at
    instant_ms = find_instant_ms(row["_id"])
    return None if instant_ms is None else instant_ms * 1_000


def _usage_day(account: str, document: Document) -> UsageDay:
    committed, revision = document.get("committed", []), document.get("revision", 0)
    try:
        rollup = from_document(document)
        _require("committed", isinstance(committed, list))
        _require("revision", isinstance(revision, int))
    except DamagedRollup as damaged:
        raise AccountFault(account, _damaged(document, damaged.field)) from None
    return UsageDay(document["day"], tuple(committed), revision, rollup)


def _require(field: str, is_sound: bool) -> None:  # noqa: FBT001
    if not is_sound:
        raise DamagedRollup(field)


def _damaged(document: Document, field: str) -> str:
    return (
        f"Damaged in {COLLECTION} on {document['day']}: {field}. "
        "Restore this document of the account from a backup."
    )
