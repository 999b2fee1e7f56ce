"""`insert_many` of rows as the ledger has them, and nothing else."""

import os
from itertools import cycle
from typing import Any

from pymongo import MongoClient

from app.interactions.store import COLLECTION
from bench.peers.looping import Asked, Round, loop
from bench.turns import Row, rows
from tests.turns import HOUR_MS, now_ms

BATCHES_COUNT = 20


def make(asked: Asked) -> Round:
    client = MongoClient[dict[str, Any]](asked["url"], w="majority")
    collection = client.get_default_database()[COLLECTION]
    count = asked["units"]
    made = list(rows(asked["account"], now_ms() - HOUR_MS, 1, BATCHES_COUNT * count))
    batches = cycle([made[start : start + count] for start in range(0, len(made), count)])

    def insert() -> None:
        batch = next(batches)
        for row in batch:
            rename(row)
        collection.insert_many(batch, ordered=False)

    return insert


def rename(row: Row) -> None:
    """Make it another turn of the same instant; hexadecimal digits are among a ULID's."""
    row["turn_key"] = os.urandom(8).hex().upper()
    row["_id"] = row["_id"][:10] + row["turn_key"]


if __name__ == "__main__":
    loop(make)
