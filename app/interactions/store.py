"""The collection `interactions`: one row a turn, one range scan a page.

Row ids are ULIDs, so newest first is the id index walked backwards and a time range is a range of
ids: no page needs a sort, a skip or a count, and page 10,000 costs what page 1 costs.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from pymongo import DESCENDING
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, WTimeoutError

from app.admission.policy import EXACT_BELOW
from app.backends.definitions import Indexes
from app.backends.expressions import whole_number
from app.interactions.model import Document, Filters

COLLECTION = "interactions"
_DUPLICATE = 11000
_HIDDEN = (
    *("account", "turn_key", "quota_period", "charged", "day", "open", "expires_at"),
    "degraded",
)
_PROJECTION = dict.fromkeys(_HIDDEN, 0)

# An index never changes under its name: another definition gets another name (ADR 21).
INDEXES: Indexes = {
    "turn": (("account", "turn_key"), {"unique": True}),
    "list": (("account", "_id"), {}),
    "list_user": (("account", "user_id", "_id"), {}),
    "list_relationship": (("account", "relationship_id", "_id"), {}),
    "list_user_relationship": (("account", "user_id", "relationship_id", "_id"), {}),
    # Holds all that a count of a billing period needs, so that counting reads no rows.
    "quota": (
        ("account", "quota_period", "recorded_at", "charged", "mode", "relationship_id"),
        {},
    ),
    # What the archive has still to fold: only the turns of the last minute or so.
    "open": (
        ("account", "day", "open", "_id"),
        {"partialFilterExpression": {"open": {"$exists": True}}},
    ),
    "retention": (("expires_at",), {"expireAfterSeconds": 0}),
}


class Insertion(Enum):
    """What definitely became of a row."""

    STORED = "stored"
    DUPLICATE = "its turn is stored already"
    REFUSED = "the validator refused it"


class InteractionStore:
    """Reads and writes turn traces of one account at a time.

    Driver errors that mean "the store is ill" pass through; the outcome of a write that ends so is
    unknown.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._rows: Collection[Document] = database[COLLECTION]

    def insert_many(self, documents: Sequence[Document]) -> list[Insertion]:
        """Store rows, each on its own; what became of each, in order.

        Raises a driver error if the outcome is unknown for any of them.
        """
        outcomes = [Insertion.STORED] * len(documents)
        if not documents:
            return outcomes
        try:
            self._rows.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            for index, code in _failures(error):
                outcomes[index] = Insertion.DUPLICATE if code == _DUPLICATE else Insertion.REFUSED
        return outcomes

    def find(self, account: str, ulid: str) -> Document | None:
        """The row with this id, if the account has it."""
        return self._rows.find_one({"_id": ulid, "account": account}, _PROJECTION)

    def find_turns(self, account: str, turn_keys: Sequence[str]) -> dict[str, Document]:
        """The rows of these turns, by turn key; those that are not stored are left out."""
        chosen = {"account": account, "turn_key": {"$in": list(turn_keys)}}
        return {row["turn_key"]: row for row in self._rows.find(chosen)}

    def scan(
        self, account: str, filters: Filters, first: str, before: str | None, count: int
    ) -> list[Document]:
        """At most `count` rows with `first <= id < before`, newest first.

        Examines as many index keys as it returns rows.
        """
        ids = {"$gte": first} | ({"$lt": before} if before else {})
        chosen, index = chosen_by(account, filters)
        found = self._rows.find(chosen | {"_id": ids}, _PROJECTION)
        return list(found.sort("_id", DESCENDING).limit(count).hint(index))

    # What admission asks of the ledger (`app.admission.ledger.PeriodLedger`).

    def count_turns(self, account: str, quota_period: str, before_us: int | None = None) -> int:
        """Turns charged to the period, only those recorded before `before_us` if given."""
        chosen: dict[str, Any] = {"account": account, "quota_period": quota_period}
        if before_us is not None:
            chosen["recorded_at"] = {"$lt": before_us}
        total = {"$group": {"_id": None, "turns": {"$sum": whole_number("charged")}}}
        rows = list(self._rows.aggregate([{"$match": chosen}, total]))
        return int(rows[0]["turns"]) if rows else 0

    def count_relationships(self, account: str, quota_period: str) -> Iterator[tuple[str, int]]:
        """Each active relationship of the period with the number of its charged turns."""
        chosen = {
            "account": account,
            "quota_period": quota_period,
            "charged": {"$gt": 0},
            "mode": "stateful",
            "relationship_id": {"$gt": ""},
        }
        group = {"$group": {"_id": "$relationship_id", "turns": {"$sum": 1}}}
        for row in self._rows.aggregate([{"$match": chosen}, group]):
            if isinstance(row["_id"], str):  # a damaged row names nobody
                yield row["_id"], int(row["turns"])

    def newest_recorded_at_us(self, account: str, quota_period: str) -> int:
        """The last instant of recording in the period, 0 if there is none."""
        recorded_at = {"$gte": 0, "$lt": EXACT_BELOW}
        chosen = {"account": account, "quota_period": quota_period, "recorded_at": recorded_at}
        row = self._rows.find_one(chosen, {"recorded_at": 1}, sort=[("recorded_at", DESCENDING)])
        return int(row.get("recorded_at") or 0) if row else 0


def chosen_by(account: str, filters: Filters) -> tuple[dict[str, Any], str]:
    """What the rows of these people match, and the index in which they stand alone, by id."""
    chosen: dict[str, Any] = {"account": account}
    index = "list"
    for name, value in (
        ("user", filters.user_id),
        ("relationship", filters.relationship_id),
    ):
        if value is not None:
            chosen[f"{name}_id"] = value
            index += f"_{name}"
    return chosen, index


def _failures(error: BulkWriteError) -> list[tuple[int, int]]:
    """Index and error code of each row that is definitely not stored."""
    details = error.details or {}
    if details.get("writeConcernErrors"):
        raise WTimeoutError("the write concern was not met") from None
    return [(failure["index"], failure["code"]) for failure in details["writeErrors"]]
