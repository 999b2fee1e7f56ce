"""Check that the books balance: what was accepted is in the ledger, and counters say the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.admission.keys import AccountKeys
from app.services import Services

Account = tuple[str, str]
# Turns and relationships of an account in a period.
Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Books:
    """Rows of the ledger, its sums by account and period, and the counters in Redis."""

    rows_count: int
    ledger: Mapping[Account, Sums]
    counters: Mapping[Account, Sums]

    def require_balance(self, accepted_count: int) -> int:
        """Compare all accounts, and return their number; AssertionError that names differences."""
        if self.rows_count != accepted_count:
            raise AssertionError(f"accepted {accepted_count} turns, stored {self.rows_count}")
        wrong = {
            account: (sums, self.ledger.get(account, (0, 0)))
            for account, sums in self.counters.items()
            if sums != self.ledger.get(account, (0, 0))
        }
        lost = self.ledger.keys() - self.counters.keys()
        if wrong or lost:
            raise AssertionError(f"counter and ledger differ: {wrong}; without counters: {lost}")
        return len(self.counters)


def read_books(services: Services) -> Books:
    """Read all of it, after the last arrival."""
    rows = services.backend.database["interactions"]
    relationship = {"$cond": [{"$and": _COUNTS}, "$relationship_id", None]}
    total = {
        "_id": ["$account", "$quota_period"],
        "turns": {"$sum": "$charged"},
        "relationships": {"$addToSet": relationship},
    }
    ledger = {
        (group["_id"][0], group["_id"][1]): (
            int(group["turns"]),
            len(set(group["relationships"]) - {None}),
        )
        for group in rows.aggregate([{"$group": total}], allowDiskUse=True)
    }
    counters = {
        (keys.account, keys.quota_period): _counted(services, keys)
        for keys in services.rooms.admission.reconciler.list_accounts()
    }
    return Books(rows.count_documents({}), ledger, counters)


_COUNTS = [{"$gt": ["$charged", 0]}, {"$eq": ["$mode", "stateful"]}]


def _counted(services: Services, keys: AccountKeys) -> Sums:
    counters: Any = services.backend.redis.hmget(keys.quota, "turns_used", "relationships_used")
    turns, relationships = (int(number or 0) for number in counters)
    return turns, relationships
