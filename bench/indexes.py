"""Case `indexes`: inserts with the indexes of this release, and with those of an upgrade.

An upgrade has the indexes of both releases until `flask db init --tighten`. Turns of many
organizations arrive in the order of time.
"""

from collections.abc import Iterator

from app.backends.definitions import Indexes
from app.interactions.store import INDEXES
from bench.pairs import Result, Sample, Side, rounds
from bench.processes import cpu_s
from bench.sizes import Sizes
from bench.stage import Stage
from bench.turns import Row, rows
from tests.schema import PREVIOUS, models_of
from tests.turns import DAY_MS, new_account, now_ms

ROWS_COUNT = 10_000
ACCOUNTS_COUNT = 1_000
PEER = "those of the previous release"
UNIT = "ms of mongod's CPU for 1,000 turns"


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Insert the same number of turns into three ledgers in turn."""
    of_each = (INDEXES, {**PREVIOUS.indexes, **INDEXES}, PREVIOUS.indexes)
    names = [f"indexes_{number}" for number in range(len(of_each))]
    sides = [inserting(stage, *each) for each in zip(names, of_each, strict=True)]
    found = rounds(sides, sizes.pairs)
    for number, case in enumerate(("indexes", "indexes, upgrading")):
        yield Result(case, PEER, UNIT, [(each[number], each[-1]) for each in found], None)
    for name in names:
        stage.client.drop_database(name)


def inserting(stage: Stage, name: str, indexes: Indexes) -> Side:
    """Measure the CPU time of inserts, and how large the indexes are then."""
    collection = stage.client[name]["interactions"]
    collection.create_indexes(models_of(indexes))

    def sample() -> Sample:
        arriving = list(_arriving())
        before_s = cpu_s(stage.mongod_id)
        collection.insert_many(arriving, ordered=False)
        spent_s = cpu_s(stage.mongod_id) - before_s
        return Sample(
            spent_s * 1_000_000 / ROWS_COUNT, {"bytes of index a turn": _bytes_each(stage, name)}
        )

    return sample


def _arriving() -> Iterator[Row]:
    accounts = [new_account() for _ in range(ACCOUNTS_COUNT)]
    for number, row in enumerate(rows(accounts[0], now_ms() - DAY_MS, 1, ROWS_COUNT)):
        yield row | {"account": accounts[number % ACCOUNTS_COUNT]}


def _bytes_each(stage: Stage, name: str) -> float:
    # Sizes are those of files, which follow at a checkpoint.
    stage.client.admin.command("fsync")
    stats = stage.client[name].command("collStats", "interactions")
    return float(stats["totalIndexSize"] / stats["count"])
