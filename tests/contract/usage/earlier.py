"""An archiver of the release before breakdowns, and days as it leaves them."""

from typing import Any

from pymongo.database import Database

from app.usage.documents import to_document
from app.usage.rollups import Rollup, bounded, merged
from app.usage.store import Fence, UsageStore

UNKNOWN = ("breakdown", "breakdown_turns")


class EarlierStore(UsageStore):
    """Commits the fields that the earlier release knows, and leaves the others as they are."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        super().__init__(database)
        self._documents = database["usage_daily"]

    def commit(self, account: str, day: str, fence: Fence, rollup: Rollup) -> bool:
        """Commit in one update, as ever."""
        grown = to_document(merged([fence.rollup, bounded(rollup, fence.rollup)]))
        known = {name: value for name, value in grown.items() if name not in UNKNOWN}
        change = {"$set": known | {"committed": [fence.number]}, "$inc": {"revision": 1}}
        chosen = {"account": account, "day": day, "fence": fence.number}
        return self._documents.update_one(chosen, change).modified_count == 1
