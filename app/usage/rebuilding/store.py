"""Read the turns that a day's roll-up counts, and replace the roll-up.

`app.usage.rebuild` has the protocol.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from pymongo import ASCENDING
from pymongo.database import Database

from app.interactions.ids import lowest_ulid
from app.interactions.store import COLLECTION as INTERACTIONS
from app.usage.buckets import start_ms
from app.usage.documents import to_document
from app.usage.notes.store import PassNotes
from app.usage.pipeline import GROUPS_COUNT, by_day, rollups_of
from app.usage.rollups import Document, Rollup
from app.usage.store import COLLECTION, Fence, UsageStore
from app.usage.summable import NOT_SUMMABLE

# By id: there a row stays where it is, whatever archivers do with it.
_BY_ID = "list"
# Turns that are summed at a time: so few that it ends well within the database's time-out.
BATCH_COUNT = 10_000


class RebuildStore:
    """Reads rows and replaces roll-ups. Driver errors pass through."""

    def __init__(self, database: Database[Document], batch_count: int = BATCH_COUNT) -> None:
        self._rows = database[INTERACTIONS]
        self._days = database[COLLECTION]
        self._store = UsageStore(database)
        self._notes = PassNotes(database)
        self._batch_count = batch_count

    def count_rolled_up(self, account: str, day: str) -> int:
        """Return how many turns the day's roll-up counts; 0 without a roll-up."""
        found = self._store.days_named(account, [day], ("by_status",))
        return sum(each.rollup.total_turns for each in found)

    def count_summable_aside(self, account: str, day: str) -> int:
        """Return how many turns of the day may have been set aside although they can be summed.

        Those that cannot be summed are recognised as long as they are stored.
        """
        aside = self._notes.count_set_aside_of(account, day)
        if not aside:
            return 0
        chosen = {"account": account, "day": day, "open": {"$exists": False}} | NOT_SUMMABLE
        return max(aside - self._rows.count_documents(chosen), 0)

    def fence(self, account: str, day: str) -> Fence:
        """Issue a new fence of the day: nobody with an earlier one can change the roll-up."""
        return self._store.fence(account, day)

    def sum_rolled_up(self, account: str, day: str, fence: Fence) -> Iterator[Rollup]:
        """Yield roll-ups of the stored turns that the day's roll-up counts, batch by batch.

        These are the turns that expire, and open ones with a committed fence. Turns that cannot be
        summed are left out.
        """
        counted = [
            {"open": {"$exists": False}, "expires_at": {"$ne": None}},
            {"open": {"$in": list(fence.committed)}},
        ]
        for ids in self._batches(account, day):
            chosen = {"account": account, "_id": ids, "day": day, "$or": counted}
            steps = by_day(chosen, has_breakdown=True)
            groups = self._rows.aggregate(steps, hint=_BY_ID, batchSize=GROUPS_COUNT)
            yield from rollups_of(groups, has_breakdown=True).values()

    def _batches(self, account: str, day: str) -> Iterator[Document]:
        """Yield ranges of ids that hold all rows of the day, each a batch of them."""
        starts_on = date.fromisoformat(day)
        first = lowest_ulid(start_ms(starts_on))
        end = lowest_ulid(start_ms(starts_on + timedelta(days=1)))
        while first < end:
            rows = self._rows.find(
                {"account": account, "_id": {"$gte": first, "$lt": end}}, {"_id": 1}
            )
            after = rows.sort("_id", ASCENDING).skip(self._batch_count).limit(1).hint(_BY_ID)
            before = next((row["_id"] for row in after), end)
            yield {"$gte": first, "$lt": before}
            first = before

    def replace(self, account: str, day: str, fence: Fence, rollup: Rollup) -> bool:
        """Replace the day's roll-up; return False, without effect, if there is a newer fence.

        The committed fences stay: turns may still carry them.
        """
        chosen = {"account": account, "day": day, "fence": fence.number}
        change = {"$set": to_document(rollup), "$inc": {"revision": 1}}
        return self._days.update_one(chosen, change).modified_count == 1
