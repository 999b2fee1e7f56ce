"""The collection `interactions`: one row for each turn, one range scan for each page.

Row ids are ULIDs. So the id index in descending order gives the newest turns first, and a time
range is a range of ids. No page needs a sort, a skip or a count: page 10,000 costs the same as
page 1.

Three stores write this collection:

| store | what it writes |
| --- | --- |
| `InteractionStore`, below | inserts rows; never changes one |
| `app.usage.store.UsageStore` | `open` and `expires_at`, for the archive |
| `app.usage.open_rows.store.OpenRowStore` | the same of rows that are set aside |
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from pymongo import DESCENDING
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, WTimeoutError

from app.admission.ledger import LedgerCount
from app.admission.policy import EXACT_BELOW
from app.backends.definitions import Indexes
from app.backends.expressions import whole_number
from app.interactions.model import SEARCHED_COUNT, Document, Filters, is_erased

COLLECTION = "interactions"
_DUPLICATE = 11000
# `recorded_at` is not shown either, but a listing compares it with its start. A row without one is
# of an earlier release, so it was recorded before every live listing, and counts as listed. Nor is
# `erased` shown: a listing leaves such rows out.
_HIDDEN = (
    *("account", "turn_key", "quota_period", "charged", "uncharged", "key_id", "day", "open"),
    *("expires_at", "degraded"),
)
_PROJECTION = dict.fromkeys(_HIDDEN, 0)

# An index never changes under its name: another definition gets another name (ADR 21). Of the
# indexes `list…`, `chosen_by` makes the name from the filters in use, and each query passes it to
# `hint`. So each combination of user and relationship has an index here; no other filter has one.
INDEXES: Indexes = {
    "turn": (("account", "turn_key"), {"unique": True}),
    "list": (("account", "_id"), {}),
    "list_user": (("account", "user_id", "_id"), {}),
    "list_relationship": (("account", "relationship_id", "_id"), {}),
    "list_user_relationship": (("account", "user_id", "relationship_id", "_id"), {}),
    # Covers the counts of a billing period: counting reads no rows.
    "period": (
        (
            *("account", "quota_period", "recorded_at", "charged", "uncharged", "mode"),
            "relationship_id",
        ),
        {},
    ),
    # Open turns (`app.usage` defines them): those of the last minute or so.
    "open": (
        ("account", "day", "open", "_id"),
        {"partialFilterExpression": {"open": {"$exists": True}}},
    ),
    "retention": (("expires_at",), {"expireAfterSeconds": 0}),
}
# Indexes of the previous release that this one replaces: `flask db init --tighten` drops them.
RETIRED_INDEXES: Indexes = {
    "quota": (
        ("account", "quota_period", "recorded_at", "charged", "mode", "relationship_id"),
        {},
    ),
}


class Insertion(Enum):
    """The known outcome of an insert."""

    STORED = "stored"
    DUPLICATE = "its turn is stored already"
    REFUSED_BY_DATABASE = "the database refused it, by its validator for example"


class InteractionStore:
    """Reads and writes turn traces of one account at a time.

    Driver errors that mean "the store is unavailable" pass through. The outcome of a write that
    raises one is unknown.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._rows: Collection[Document] = database[COLLECTION]

    def insert_many(self, documents: Sequence[Document]) -> list[Insertion]:
        """Store rows independently of each other; return the outcome of each, in order.

        Raises a driver error if the outcome is unknown for any of them.
        """
        outcomes = [Insertion.STORED] * len(documents)
        if not documents:
            return outcomes
        try:
            self._rows.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            for index, code in _failures(error):
                outcomes[index] = (
                    Insertion.DUPLICATE if code == _DUPLICATE else Insertion.REFUSED_BY_DATABASE
                )
        return outcomes

    def find(self, account: str, ulid: str) -> Document | None:
        """Return the row with this id; None if the account has none, or it is erased."""
        row = self._rows.find_one({"_id": ulid, "account": account}, _PROJECTION)
        return None if row is None or is_erased(row) else row

    def find_account(self, ulid: str) -> str | None:
        """Return the account that owns the row with this id; None without one, or if erased."""
        row = self._rows.find_one({"_id": ulid}, {"account": 1, "erased": 1})
        return None if row is None or is_erased(row) else str(row["account"])

    def find_turns(self, account: str, turn_keys: Sequence[str]) -> dict[str, Document]:
        """Return the stored rows of these turns by turn key, erased ones as well."""
        chosen = {"account": account, "turn_key": {"$in": list(turn_keys)}}
        return {row["turn_key"]: row for row in self._rows.find(chosen)}

    def scan(
        self, account: str, filters: Filters, first: str, before: str | None, count: int
    ) -> list[Document]:
        """Return at most `count` rows with `first <= id < before`, newest first, also erased ones.

        Examines as many index keys as it returns rows. With `filters.conditions` it examines
        further keys and rows until `count` rows match or the range ends: `find_boundary` bounds it.
        """
        chosen, index = chosen_by(account, filters, first, before)
        found = self._rows.find(chosen | filters.conditions, _PROJECTION)
        return list(found.sort("_id", DESCENDING).limit(count).hint(index))

    def find_boundary(
        self, account: str, filters: Filters, first: str, before: str | None
    ) -> str | None:
        """Return the id of the last of `SEARCHED_COUNT` rows; None if the range has fewer.

        Counts rows with `first <= id < before`, newest first, whether or not they meet
        `filters.conditions`. The index covers it: it examines so many keys and no row.
        """
        chosen, index = chosen_by(account, filters, first, before)
        keys = self._rows.find(chosen, {"_id": 1})
        last = keys.sort("_id", DESCENDING).skip(SEARCHED_COUNT - 1).limit(1).hint(index)
        return next((str(row["_id"]) for row in last), None)

    def find_turn(
        self, account: str, turn_key: str, filters: Filters, first: str, before: str | None
    ) -> list[Document]:
        """Return the row of this turn, also an erased one, if it passes `filters` and the range."""
        chosen, _ = chosen_by(account, filters, first, before)
        chosen |= filters.conditions | {"turn_key": turn_key}
        return list(self._rows.find(chosen, _PROJECTION).limit(1).hint("turn"))

    def count(self, account: str, filters: Filters, first: str, before: str | None) -> int:
        """Count the rows with `first <= id < before`; takes as long as there are such rows."""
        chosen, index = chosen_by(account, filters, first, before)
        return self._rows.count_documents(chosen | filters.conditions, hint=index)

    # These and `find_turns` implement `app.admission.ledger.PeriodLedger`.

    def count_turns(
        self, account: str, quota_period: str, before_us: int | None = None
    ) -> LedgerCount:
        """Count the turns of the period; with `before_us`, those recorded earlier.

        Rows of earlier releases have no `uncharged` and count as 0 there.
        """
        chosen: dict[str, Any] = {"account": account, "quota_period": quota_period}
        if before_us is not None:
            chosen["recorded_at"] = {"$lt": before_us}
        sums = {name: {"$sum": whole_number(name)} for name in LedgerCount._fields}
        rows = list(self._rows.aggregate([{"$match": chosen}, {"$group": {"_id": None} | sums}]))
        found = rows[0] if rows else {}
        return LedgerCount(*(int(found.get(name, 0)) for name in LedgerCount._fields))

    def count_relationships(self, account: str, quota_period: str) -> Iterator[tuple[str, int]]:
        """Yield each active relationship of the period and the number of its charged turns."""
        chosen = {
            "account": account,
            "quota_period": quota_period,
            "charged": {"$gt": 0},
            "mode": "stateful",
            "relationship_id": {"$gt": ""},
        }
        group = {"$group": {"_id": "$relationship_id", "turns": {"$sum": 1}}}
        for row in self._rows.aggregate([{"$match": chosen}, group]):
            if isinstance(row["_id"], str):  # no string: a damaged row
                yield row["_id"], int(row["turns"])

    def newest_recorded_at_us(self, account: str, quota_period: str) -> int:
        """Return the latest `recorded_at` of the period; 0 if there is none."""
        recorded_at = {"$gte": 0, "$lt": EXACT_BELOW}
        chosen = {"account": account, "quota_period": quota_period, "recorded_at": recorded_at}
        row = self._rows.find_one(chosen, {"recorded_at": 1}, sort=[("recorded_at", DESCENDING)])
        return int(row.get("recorded_at") or 0) if row else 0


def chosen_by(
    account: str, filters: Filters, first: str, before: str | None = None
) -> tuple[dict[str, Any], str]:
    """Return the query of user, relationship and `first <= id < before`, and the index for it.

    The index holds the rows in the order of their ids.
    """
    chosen: dict[str, Any] = {"account": account}
    index = "list"
    for name, value in (
        ("user", filters.user_id),
        ("relationship", filters.relationship_id),
    ):
        if value is not None:
            chosen[f"{name}_id"] = value
            index += f"_{name}"
    chosen["_id"] = {"$gte": first} | ({"$lt": before} if before else {})
    return chosen, index


def _failures(error: BulkWriteError) -> list[tuple[int, int]]:
    """Return position and error code of each row that is not stored."""
    details = error.details or {}
    if details.get("writeConcernErrors"):
        raise WTimeoutError("the write concern was not met") from None
    return [(failure["index"], failure["code"]) for failure in details["writeErrors"]]
