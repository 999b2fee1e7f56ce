"""The archive: folds turns into the roll-up of their day, early, so that they may be deleted late.

Every turn is stored with `open: 0` and without an expiry. For each day of an account that has open
turns, again and again until there is none:

1. fence: take a number that is higher than any before, and learn which are committed;
2. finish: stamp the turns of committed fences (somebody died before his step 6);
3. claim: mark turns that are in no roll-up with the number;
4. sum the turns that carry it;
5. commit: add the sums to the day and the number to its committed ones, in one update that happens
   only if nobody has taken a newer fence;
6. stamp the turns that carry it: no longer open, to expire 180 days after their day.

Only a committed turn is stamped, so none can expire before it is counted. Whoever is overtaken
cannot commit, and his turns are claimed by the newer fence, so none is counted twice. A kill at any
point and several archivers at once do no harm; turns told late are turns with `open` like others.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from app.usage.rollups import Rollup
from app.usage.store import Fence

RETENTION = timedelta(days=180)
# How many turns are claimed at once: each step is done well within the database's time-out.
BATCH_COUNT = 10_000


class ArchiveLedger(Protocol):
    """The archive's steps, as `app.usage.store.UsageStore` does them."""

    def open_days(self) -> Iterator[tuple[str, str]]:
        """Account and day of all turns that are open."""

    def fence(self, account: str, day: str) -> Fence:
        """Take the day."""

    def claim_left(self, account: str, day: str, fence: Fence) -> int:
        """Mark the turns that others have claimed and not committed; how many."""

    def claim_new(self, account: str, day: str, fence: Fence, at_most: int) -> int:
        """Mark turns that nobody has claimed; how many."""

    def sum_claimed(self, account: str, day: str, fence: Fence) -> Rollup:
        """The roll-up of the claimed turns."""

    def commit(self, account: str, day: str, fence: Fence, rollup: Rollup) -> bool:
        """Add it to the day, unless there is a newer fence."""

    def stamp(self, account: str, day: str, fences: Collection[int], expires_at: datetime) -> int:
        """Close the turns that carry one of these committed fences; how many."""


@dataclass(frozen=True, slots=True)
class Fold:
    """What one pass has archived; `days_overtaken` were left to another archiver."""

    turns: int = 0
    days: int = 0
    days_overtaken: int = 0


class Archiver:
    """Archives what is open. Errors of the ledger pass through: run again, that is all it takes."""

    def __init__(self, ledger: ArchiveLedger, batch_count: int = BATCH_COUNT) -> None:
        self._ledger = ledger
        self._batch_count = batch_count

    def run(self, report: Callable[[int], None] = lambda turns: None) -> Fold:
        """Archive all turns that are open now; `report` hears of each batch how many it was."""
        turns = days = overtaken = 0
        for account, day in self._ledger.open_days():
            days += 1
            try:
                for folded in self._fold_day(account, day):
                    turns += folded
                    report(folded)
            except _Overtaken:
                overtaken += 1
        return Fold(turns, days, overtaken)

    def _fold_day(self, account: str, day: str) -> Iterator[int]:
        """Archive a day batch by batch, until it has no open turn."""
        ledger, expires_at = self._ledger, expiry_of(day)
        is_last = False
        while not is_last:
            fence = ledger.fence(account, day)
            ledger.stamp(account, day, fence.committed, expires_at)
            # What a dead archiver has left is a batch of its own, so that no batch ever grows.
            claimed = ledger.claim_left(account, day, fence)
            if not claimed:
                claimed = ledger.claim_new(account, day, fence, self._batch_count)
                is_last = claimed < self._batch_count
            if claimed:
                rollup = ledger.sum_claimed(account, day, fence)
                if not ledger.commit(account, day, fence, rollup):
                    raise _Overtaken
                ledger.stamp(account, day, (fence.number,), expires_at)
                yield claimed


class _Overtaken(Exception):
    """Another archiver has taken the day."""


def expiry_of(day: str) -> datetime:
    """When the turns of a day may be deleted: 180 days after its end."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1) + RETENTION
