"""Run two archivers, kill them at random points, and check the ledger afterwards."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGKILL
from subprocess import DEVNULL, Popen
from typing import Any

from pymongo.database import Database

from app.usage.archive import Archiver
from devkit.children import spawn
from tests.contract.usage.ledger import Books
from tests.faults.kit.archiver_program import connect
from tests.schema import make_schema
from tests.servers import ROOT, wait_until


@contextmanager
def database_of(uri: str) -> Iterator[Database[dict[str, Any]]]:
    """Return the ledger's database with the service's settings, indexes and validators."""
    backend = connect(uri)
    database = backend.maintenance_database
    make_schema(database)
    yield database
    backend.close()


class Archivers:
    """Two archivers that work on the same days and are replaced when they are killed."""

    def __init__(self, uri: str, books: Books) -> None:
        self._uri = uri
        self._books = books
        self._running = [self._start(), self._start()]

    def kill_one(self, chance: random.Random) -> None:
        """Kill the older one at some point of its work, and start another."""
        before = self._fences()
        wait_until(lambda: self._fences() > before + chance.randrange(12), 60, every_s=0.01)
        victim = self._running.pop(0)
        victim.kill()
        victim.wait()
        self._running.append(self._start())

    def end(self) -> None:
        """Kill both for good; raise AssertionError if one has ended by itself."""
        ended = [process.poll() for process in self._running]
        for process in self._running:
            process.kill()
            process.wait()
        assert set(ended) <= {None, -SIGKILL}, "an archiver gave up"

    def _start(self) -> Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.kit.archiver_program", self._uri]
        return spawn(command, output=DEVNULL, folder=ROOT)

    def _fences(self) -> int:
        days = self._books.database["usage_daily"].find({}, {"fence": 1})
        return sum(day["fence"] for day in days)


def require_balance(books: Books) -> None:
    """Archive the open turns, wait until expired ones are deleted, and compare every day."""
    assert books.reported() == books.expected()
    Archiver(books.store).run()
    old = {"_id": {"$lt": min(row["_id"] for row in books.rows if row["day"] == today(books))}}
    rows = books.database["interactions"]
    wait_until(lambda: rows.count_documents(old, limit=1) == 0, 60)
    assert books.reported() == books.archived() == books.expected()
    assert rows.count_documents({"open": {"$exists": True}}) == 0


def today(books: Books) -> str:
    """Return the latest day with turns."""
    day: str = max(row["day"] for row in books.rows)
    return day
