"""Read and close single open rows of `interactions` that no roll-up can count.

`app.usage.setting_aside` decides which, and when.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from pymongo.database import Database

from app.interactions.store import COLLECTION as INTERACTIONS
from app.usage.notes.store import PassNotes
from app.usage.rollups import Document
from app.usage.setting_aside import OpenRow
from app.usage.summable import IS_OPEN, NOT_SUMMABLE, REACHABLE

# On a day that is all open every index looks as good, and most lead all over the account.
BY_OPEN = "open"
_BY_EXPIRY = "retention"


class OpenRowStore:
    """Finds and closes rows. Driver errors pass through."""

    def __init__(self, database: Database[Document]) -> None:
        self._rows = database[INTERACTIONS]
        self._notes = PassNotes(database)

    def find_unreachable(self, at_most: int) -> list[OpenRow]:
        """Return rows that would never expire, because they belong to no day of an account.

        Reads the rows that are open: few, once the archive has done its work.
        """
        chosen = {"expires_at": None, "$nor": [REACHABLE]}
        return self._open_rows(chosen, at_most, hint=_BY_EXPIRY)

    def find_open(self, account: str, day: str, at_most: int) -> list[OpenRow]:
        """Return open rows of a day."""
        return self._open_rows(_open_of(account, day, IS_OPEN), at_most, hint=BY_OPEN)

    def find_unsummable(
        self, account: str, day: str, fence_number: int, at_most: int
    ) -> list[OpenRow]:
        """Return rows that carry this fence's number and cannot be summed."""
        chosen = _open_of(account, day, fence_number) | NOT_SUMMABLE
        return self._open_rows(chosen, at_most, hint=BY_OPEN)

    def _open_rows(self, chosen: Document, at_most: int, *, hint: str) -> list[OpenRow]:
        found = self._rows.find(chosen, {"account": 1, "day": 1}).limit(at_most).hint(hint)
        return [OpenRow(row["_id"], row.get("account"), row.get("day")) for row in found]

    def close(self, row_ids: Collection[Any], expires_at: datetime) -> int:
        """Set the expiry of rows that have none; return their number."""
        chosen = {"_id": {"$in": list(row_ids)}, "expires_at": None}
        change = {"$unset": {"open": ""}, "$set": {"expires_at": expires_at}}
        return self._rows.update_many(chosen, change).modified_count

    def note_set_aside(self, account: str, day: str, turns: int) -> None:
        """Add to the turns that were set aside."""
        self._notes.note_set_aside(account, day, turns)


def _open_of(account: str, day: str, wanted: Any) -> Document:
    return {"account": account, "day": day, "open": wanted}
