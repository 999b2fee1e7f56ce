"""Archivers die by kill -9 while turns arrive and expired ones are deleted: the books balance."""

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from threading import Event, Thread
from typing import Any

import pytest
from pymongo.database import Database

from app.backends.bundled import running_mongod
from app.backends.children import spawn
from app.interactions.store import InteractionStore
from app.usage.archive import Archiver
from app.usage.store import UsageStore
from tests.contract.usage.ledger import Books
from tests.faults.archiver import connect
from tests.servers import ROOT, wait_until
from tests.turns import DAY_MS, at, now_ms

# Days whose turns expire the moment they are stamped, and the present one.
AGES_DAYS = (0, 182, 183, 190)
ROWS_PER_INSERT = 10


@contextmanager
def database_of(uri: str) -> Iterator[Database[dict[str, Any]]]:
    """The ledger's database as the service speaks to it, with indexes and validators."""
    backend = connect(uri)
    database = backend.maintenance_database
    InteractionStore(database).ensure_schema()
    UsageStore(database).ensure_schema()
    yield database
    backend.close()


@contextmanager
def arriving(books: Books) -> Iterator[None]:
    """Turns keep arriving, today's and imported ones, as long as the block runs."""
    end = Event()
    faults: list[BaseException] = []

    def tell() -> None:
        chance = random.Random(1)  # noqa: S311 (no secret)
        try:
            while not end.wait(0.01):
                base = now_ms()
                books.tell(
                    at(base - chance.choice(AGES_DAYS) * DAY_MS, latency_ms=chance.randrange(9_999))
                    for _ in range(ROWS_PER_INSERT)
                )
        except BaseException as fault:
            faults.append(fault)
            raise

    teller = Thread(target=tell)
    teller.start()
    try:
        yield
    finally:
        end.set()
        teller.join()
    assert faults == []


class Archivers:
    """Two archivers that work on the same days and are replaced when they are killed."""

    def __init__(self, uri: str, books: Books) -> None:
        self._uri = uri
        self._books = books
        self._running = [self._start(), self._start()]

    def kill_one(self, chance: random.Random) -> None:
        """Kill the elder at some point of its work, and start another."""
        before = self._fences()
        wait_until(lambda: self._fences() > before + chance.randrange(12), 60, every_s=0.003)
        victim = self._running.pop(0)
        victim.kill()
        victim.wait()
        self._running.append(self._start())

    def end(self) -> None:
        """Kill both for good."""
        for process in self._running:
            process.kill()
            process.wait()

    def _start(self) -> Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.archiver", self._uri]
        return spawn(command, output=DEVNULL, folder=ROOT)

    def _fences(self) -> int:
        days = self._books.database["usage_daily"].find({}, {"fence": 1})
        return sum(day["fence"] for day in days)


def require_balance(books: Books) -> None:
    """Finish what is open, let all that expired be deleted, and compare every day."""
    assert books.told() == books.expected()
    Archiver(books.store).run()
    old = {"_id": {"$lt": min(row["_id"] for row in books.rows if row["day"] == today(books))}}
    rows = books.database["interactions"]
    wait_until(lambda: rows.count_documents(old, limit=1) == 0, 60)
    assert books.told() == books.archived() == books.expected()
    assert rows.count_documents({"open": {"$exists": True}}) == 0


def today(books: Books) -> str:
    """The latest day with turns."""
    day: str = max(row["day"] for row in books.rows)
    return day


def let_die(uri: str, kills_count: int) -> Books:
    """Kill archivers so many times while turns arrive; then the books must balance."""
    chance = random.Random(kills_count)  # noqa: S311 (no secret)
    with ExitStack() as stack:
        books = Books(stack.enter_context(database_of(uri)))
        archivers = Archivers(uri, books)
        stack.callback(archivers.end)
        with arriving(books):
            for _ in range(kills_count):
                archivers.kill_one(chance)
            raw_count = len(books.raw())
        archivers.end()
        assert raw_count < len(books.rows), "nothing was deleted while archivers died"
        require_balance(books)
    return books


def test_nothing_is_lost_when_archivers_are_killed(fresh_mongodb_uri: str) -> None:
    books = let_die(fresh_mongodb_uri, kills_count=8)
    assert len(books.rows) > 100


def test_nothing_is_lost_when_the_database_is_killed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with running_mongod(tmp_path, ttl_monitor_sleep_s=1) as server:
            books = Books(stack.enter_context(database_of(server.url)))
            books.tell(
                at(now_ms() - age * DAY_MS, latency_ms=age) for age in AGES_DAYS for _ in range(200)
            )
            archivers = Archivers(server.url, books)
            stack.callback(archivers.end)
            wait_until(books.archived, 60, every_s=0.003)
            server.process.kill()
        archivers.end()
        with running_mongod(tmp_path, ttl_monitor_sleep_s=1) as server:
            survived = Books(stack.enter_context(database_of(server.url)))
            survived.account, survived.rows = books.account, books.rows
            require_balance(survived)


@pytest.mark.long
def test_nothing_is_lost_when_archivers_are_killed_fifty_times(fresh_mongodb_uri: str) -> None:
    books = let_die(fresh_mongodb_uri, kills_count=50)
    assert len(books.rows) > 1_000
