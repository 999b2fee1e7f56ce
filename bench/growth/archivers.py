"""Measure the effect of a second archiver: as they are today, and if each had accounts of its own.

The split is made here and nowhere in the service: it shows what a partition by account would bring.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from itertools import count
from multiprocessing import get_context
from zlib import crc32

from app.usage.archive import Archived, Archiver
from app.usage.store import UsageStore
from app.wiring import build
from bench.pairs import Result, Sample, Side, alternated
from bench.stage import Rows, Stage
from bench.turns import rows
from config.settings import BackendKind
from tests.servers import settings_for
from tests.turns import DAY_MS, new_account, now_ms

TURNS_EACH = 5
_SOURCE = "archivers"
_numbers = count(1)


class PartStore(UsageStore):
    """Sees the days of its own accounts only."""

    def __init__(self, database: Rows, part: int, parts_count: int) -> None:
        super().__init__(database)
        self._part, self._parts_count = part, parts_count

    def open_days(self) -> Iterator[tuple[str, str]]:
        """Account and day of the turns that are open and in this part."""
        for account, day in super().open_days():
            if crc32(account.encode()) % self._parts_count == self._part:
                yield account, day


def run(stage: Stage, pairs: int, accounts_count: int) -> Iterator[Result]:
    """Measure two archivers beside one, on copies of the same open days."""
    _load(stage, accounts_count)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        alone = archiving(pool, stage, [(0, 1)], accounts_count)
        for name, parts in (
            ("2 archivers, same accounts", [(0, 1), (0, 1)]),
            ("2 archivers, half the accounts each", [(0, 2), (1, 2)]),
        ):
            found = alternated(archiving(pool, stage, parts, accounts_count), alone, pairs)
            yield Result(name, "1 archiver", "ms a day of an account", found, None)
    stage.client.drop_database(_SOURCE)


def archiving(
    pool: ProcessPoolExecutor, stage: Stage, parts: list[tuple[int, int]], accounts_count: int
) -> Side:
    """Measure milliseconds for each day of an account, until all archivers have ended.

    Beside it the days that were left to another; AssertionError if a turn is left open.
    """

    def sample() -> Sample:
        name = f"{_SOURCE}_{next(_numbers)}"
        database = stage.copy(_SOURCE, name)
        start = time.perf_counter()
        passes = [pool.submit(archive, stage.url_of(name), *part) for part in parts]
        results = [each.result() for each in passes]
        taken_s = time.perf_counter() - start
        archived = sum(each.turns for each in results)
        left_count = database["interactions"].count_documents({"open": {"$exists": True}})
        overtaken = sum(each.days_overtaken for each in results)
        assert overtaken or (not left_count and archived == accounts_count * TURNS_EACH)
        stage.client.drop_database(name)
        beside = {"overtaken": overtaken, "left_open": left_count}
        return Sample(taken_s / accounts_count * 1_000, beside)

    return sample


def archive(uri: str, part: int, parts_count: int) -> Archived:
    """Do one pass over a part, in a process of its own."""
    settings = settings_for(
        backend=BackendKind.LIVE, mongodb_uri=uri, redis_url="redis://127.0.0.1"
    )
    with closing(build(settings).backend) as backend:
        store = PartStore(backend.maintenance_database, part, parts_count)
        return Archiver(store).run()


def _load(stage: Stage, accounts_count: int) -> None:
    accounts = [new_account() for _ in range(accounts_count)]
    first_ms = now_ms() // DAY_MS * DAY_MS - DAY_MS
    made = rows(accounts[0], first_ms, 1, accounts_count * TURNS_EACH)
    stage.load(
        _SOURCE,
        (row | {"account": accounts[n % accounts_count]} for n, row in enumerate(made)),
    )
