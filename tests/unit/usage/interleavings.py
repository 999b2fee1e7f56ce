"""A small ledger in memory on which archivers run step by step, in any order, and die at any.

Every operation is a generator that yields before each row it touches, as the database's do. A
killed archiver leaves its operation behind: the database may still continue it later.
"""

import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.usage.archive import Archiver
from app.usage.rollups import Rollup, merged
from app.usage.setting_aside import OpenRow, OpenRows
from app.usage.store import Fence
from tests.unit.usage.carriers import Carrier

ACCOUNT = "account"
DAYS = ("2026-11-21", "2026-11-22", "2026-11-23")
# A day's books are one number: so many turns, and below them the sum of their latencies.
TURN = 10**9
Operation = Iterator[None]


@dataclass(slots=True)
class Row:
    """A turn of some latency; `open` as in the ledger, None once it has an expiry."""

    day: str
    latency_ms: int
    open: int | None = 0
    is_summable: bool = True
    is_set_aside: bool = False


@dataclass(slots=True)
class Day:
    fence: int = 0
    committed: tuple[int, ...] = ()
    rollup: Rollup = field(default_factory=Rollup)


class Killed(BaseException):
    """Stands for kill -9."""


class Ledger:
    """The store's single operations, each as the rows that it touches one after another."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.set_aside_count = 0
        self.days = {day: Day() for day in DAYS}

    def chosen(self, day: str, wanted: Callable[[int], bool]) -> Iterator[Row]:
        """Yield rows of the day whose `open` is wanted, judged when they are reached."""
        for row in list(self.rows):
            if row.day == day and row.open is not None and wanted(row.open):
                yield row

    def fence(self, day: str, result: list[Fence]) -> Operation:
        yield
        self.days[day].fence += 1
        found = self.days[day]
        result.append(Fence(found.fence, found.committed, found.rollup))

    def claim_left(self, day: str, fence: Fence, result: list[int]) -> Operation:
        claimed = 0
        left = range(1, fence.number)
        for row in self.chosen(day, lambda it: it in left and it not in fence.committed):
            row.open = fence.number
            claimed += 1
            yield
        result.append(claimed)

    def claim_new(self, day: str, fence: Fence, at_most: int, result: list[int]) -> Operation:
        claimed = 0
        for row in list(self.chosen(day, lambda it: it == 0))[:at_most]:
            yield
            if row.open == 0:
                row.open = fence.number
                claimed += 1
        result.append(claimed)

    def sum(self, day: str, fence: Fence, result: list[Rollup]) -> Operation:
        sums = []
        for row in self.chosen(day, lambda it: it == fence.number):
            if row.is_summable:
                sums.append(rollup_of([row]))
            yield
        result.append(merged(sums))

    def commit(self, day: str, fence: Fence, rollup: Rollup, result: list[bool]) -> Operation:
        yield
        found = self.days[day]
        is_newest = found.fence == fence.number
        if is_newest:
            found.rollup = merged([fence.rollup, rollup])
            found.committed = (fence.number,)
        result.append(is_newest)

    def set_expiry(self, day: str, fences: Collection[int], result: list[int]) -> Operation:
        yield
        for row in self.chosen(day, lambda it: it in fences):
            row.open = None
            yield
        result.append(0)

    def close(self, rows: Collection[Row], result: list[int]) -> Operation:
        closed = 0
        for row in rows:
            yield
            if row.open is not None:
                row.open, row.is_set_aside = None, True
                closed += 1
        result.append(closed)


def rollup_of(rows: Collection[Row]) -> Rollup:
    return Rollup(
        by_status={"completed": len(rows)} if rows else {},
        latency_sum_ms=sum(row.latency_ms for row in rows),
    )


class Actor:
    """An archiver in a thread of its own, which moves only when a test lets it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.open_rows: OpenRows = self
        self.operation: Operation | None = None
        self.is_done = False
        self._is_killed = False
        self._carrier = Carrier.of(self._live)

    def step(self, *, is_killed: bool = False) -> None:
        """Let it do one step, or die in place of it.

        The archiver itself is needed only between two operations.
        """
        self._is_killed = is_killed
        if is_killed or self.operation is None or next(self.operation, self) is self:
            self._carrier.resume()

    def _live(self) -> None:
        try:
            if not self._is_killed:
                Archiver(self, batch_count=3).run()
        except Killed:
            pass
        finally:
            self.is_done = True

    def _run(self, operation: Operation) -> None:
        """Pause before the first row; `step` does the rows."""
        self.operation = operation
        if next(operation, self) is not self:
            self._carrier.pause()
            if self._is_killed:
                raise Killed
        self.operation = None

    # The archive's ledger.

    def open_days(self) -> Iterator[tuple[str, str]]:
        for day in DAYS:
            if any(self.ledger.chosen(day, lambda _: True)):
                yield ACCOUNT, day

    def fence(self, _: str, day: str) -> Fence:
        result: list[Fence] = []
        self._run(self.ledger.fence(day, result))
        return result[0]

    def claim_left(self, _: str, day: str, fence: Fence) -> int:
        result: list[int] = []
        self._run(self.ledger.claim_left(day, fence, result))
        return result[0]

    def claim_new(self, _: str, day: str, fence: Fence, at_most: int) -> int:
        result: list[int] = []
        self._run(self.ledger.claim_new(day, fence, at_most, result))
        return result[0]

    def sum_claimed(self, _: str, day: str, fence: Fence) -> Rollup:
        result: list[Rollup] = []
        self._run(self.ledger.sum(day, fence, result))
        return result[0]

    def commit(self, _: str, day: str, fence: Fence, rollup: Rollup) -> bool:
        result: list[bool] = []
        self._run(self.ledger.commit(day, fence, rollup, result))
        return result[0]

    def set_expiry(self, _: str, day: str, fences: Collection[int], __: datetime) -> int:
        self._run(self.ledger.set_expiry(day, fences, []))
        return 0

    def find_unsummable(
        self, account: str, day: str, fence_number: int, at_most: int
    ) -> list[OpenRow]:
        found = self.ledger.chosen(day, lambda it: it == fence_number)
        return [OpenRow(row, account, day) for row in found if not row.is_summable]

    def find_open(self, account: str, day: str, at_most: int) -> list[OpenRow]:
        raise AssertionError("every day is in the calendar")

    def find_unreachable(self, at_most: int) -> list[OpenRow]:
        raise AssertionError("every row is of a day")

    def close(self, row_ids: Collection[Any], _: datetime) -> int:
        result: list[int] = []
        self._run(self.ledger.close(row_ids, result))
        return result[0]

    def note_set_aside(self, _: str, __: str, turns: int) -> None:
        self.ledger.set_aside_count += turns


class World:
    """Two archivers, turns of today and of the past, deletions, kills, and what they leave."""

    def __init__(self, seed: int, ledger: Ledger) -> None:
        self.random = random.Random(seed)  # noqa: S311 (a seed repeats the world)
        self.ledger = ledger
        self.accepted: list[Row] = []
        self.unsummable: list[Row] = []
        self.expected = dict.fromkeys(DAYS, 0)
        self.actors = [Actor(ledger), Actor(ledger)]
        self.left_behind: list[Operation] = []

    def run(self, steps_count: int) -> None:
        """Let anything happen, so many times; the books must balance after each."""
        happenings = (self.insert, self.delete, self.kill, self.haunt)
        for _ in range(steps_count):
            if self.random.random() < 0.75:
                self.archive()
            else:
                self.random.choice(happenings)()
            self.check()

    def settle(self) -> None:
        """Run one archiver alone; then everything is archived and may be deleted."""
        for actor in self.actors:
            actor.step(is_killed=True)
        while self.left_behind:
            self.haunt()
        actor = Actor(self.ledger)
        while not actor.is_done:
            actor.step()
        self.check()
        assert [row for row in self.ledger.rows if row.open is not None] == []
        assert self.archived() == self.expected
        assert [row for row in self.unsummable if not row.is_set_aside] == []

    def archive(self) -> None:
        self._step(self.random.randrange(2), is_killed=False)

    def kill(self) -> None:
        self._step(self.random.randrange(2), is_killed=True)

    def _step(self, number: int, *, is_killed: bool) -> None:
        actor = self.actors[number]
        actor.step(is_killed=is_killed)
        if is_killed and actor.operation and self.random.random() < 0.5:
            self.left_behind.append(actor.operation)
        if actor.is_done:
            self.actors[number] = Actor(self.ledger)

    def insert(self) -> None:
        is_summable = self.random.random() < 0.9
        row = Row(self.random.choice(DAYS), self.random.randrange(1_000), is_summable=is_summable)
        self.ledger.rows.append(row)
        (self.accepted if is_summable else self.unsummable).append(row)
        accounted([row] if is_summable else [], self.expected)

    def delete(self) -> None:
        """Delete as the TTL monitor does: only rows with an expiry."""
        self.ledger.rows = [
            row for row in self.ledger.rows if row.open is not None or self.random.random() < 0.5
        ]

    def haunt(self) -> None:
        """Continue an operation that a dead archiver has left in the database."""
        if self.left_behind:
            operation = self.random.choice(self.left_behind)
            if next(operation, self) is self:
                self.left_behind.remove(operation)

    def check(self) -> None:
        """Require the accepted turns, archived or raw, in counts and sums of every day."""
        raw = [
            row
            for row in self.ledger.rows
            if row.is_summable
            and row.open is not None
            and row.open not in self.ledger.days[row.day].committed
        ]
        assert [row for row in self.accepted if row.is_set_aside] == []
        assert [row for row in self.unsummable if row.open is None and not row.is_set_aside] == []
        assert accounted(raw, self.archived()) == self.expected

    def archived(self) -> dict[str, int]:
        """Return turns and latency of each day's roll-up."""
        return {
            day: TURN * found.rollup.total_turns + found.rollup.latency_sum_ms
            for day, found in self.ledger.days.items()
        }


def accounted(rows: Collection[Row], books: dict[str, int]) -> dict[str, int]:
    """Add turns and latency of each day to `books`."""
    for row in rows:
        books[row.day] += TURN + row.latency_ms
    return books
