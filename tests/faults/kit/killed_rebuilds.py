"""Run a rebuild of an account's days beside archivers, and kill it at random points."""

import random
import sys
from collections.abc import Sequence
from signal import SIGKILL
from subprocess import DEVNULL, Popen

from devkit.children import spawn
from tests.contract.usage.ledger import Books
from tests.servers import ROOT, wait_until


class Rebuilds:
    """A process that rebuilds days again and again, and is replaced when it is killed."""

    def __init__(self, uri: str, books: Books, days: Sequence[str]) -> None:
        self._arguments = [uri, books.account, *days]
        self._books = books
        self._running = self._start()

    def kill(self, chance: random.Random) -> None:
        """Kill it at some point of its work, and start another."""
        before = self._fences()
        wait_until(lambda: self._fences() > before + chance.randrange(12), 60, every_s=0.01)
        self._end()
        self._running = self._start()

    def end(self) -> None:
        """Kill it for good; raise AssertionError if it has ended by itself."""
        ended = self._running.poll()
        self._end()
        assert ended in {None, -SIGKILL}, "a rebuild gave up"

    def _end(self) -> None:
        self._running.kill()
        self._running.wait()

    def _start(self) -> Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.kit.rebuild_program", *self._arguments]
        return spawn(command, output=DEVNULL, folder=ROOT)

    def _fences(self) -> int:
        days = self._books.database["usage_daily"].find({}, {"fence": 1})
        return sum(day["fence"] for day in days)
