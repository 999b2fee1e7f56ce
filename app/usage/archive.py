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

Only a committed turn is stamped, so none can expire before it is counted. An archiver that is
overtaken cannot commit, and the newer fence claims its turns, so none is counted twice. An archiver
commits only if its sum covers exactly the turns that it claimed. Otherwise it sets the turns aside
that cannot be summed (`app.usage.summable`) and takes a new fence for the day. A kill at any point
and several archivers at once do no harm. Turns that arrive late have `open` like others.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.backends.containment import Containment
from app.usage.rollups import Rollup
from app.usage.setting_aside import OpenRows, SettingAside, expiry_of, is_day
from app.usage.store import Fence

# How many turns are claimed at once: each step is done well within the database's time-out.
BATCH_COUNT = 10_000


class ArchiveLedger(Protocol):
    """The archive's steps, as `app.usage.store.UsageStore` does them."""

    open_rows: OpenRows

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
    """What one pass has archived.

    `days_overtaken` were left to another archiver. `days_failed` could not be archived for a reason
    of their own, which the pass's containment has reported. `turns_set_aside` could not be summed.
    """

    turns: int = 0
    days: int = 0
    days_overtaken: int = 0
    days_failed: int = 0
    turns_set_aside: int = 0

    @property
    def is_whole(self) -> bool:
        """Return True if the archive is not late: no open day was left to another archiver.

        A day that failed does not count. It may fail for ever, and must not make the archive look
        late for everybody else: it has a figure of its own, the organizations at fault.
        """
        return not self.days_overtaken


class Archiver:
    """Archives what is open.

    An outage of the ledger passes through: run again, that is all it takes. Any other error costs
    one account one day, and nobody else anything.
    """

    def __init__(self, ledger: ArchiveLedger, batch_count: int = BATCH_COUNT) -> None:
        self._ledger = ledger
        self._batch_count = batch_count
        self._setting_aside = SettingAside(ledger.open_rows)

    def run(
        self,
        report: Callable[[int], None] = lambda turns: None,
        containment: Containment | None = None,
    ) -> Fold:
        """Archive all turns that are open now.

        `report` hears of each batch how many it was, `containment` of each day that fails.
        """
        containment = containment or Containment()
        turns = days = 0
        missed: Counter[str] = Counter()
        for account, day in self._ledger.open_days():
            days += 1
            for folded in self._fold_if_possible(account, day, missed, containment):
                turns += folded
                report(folded)
        return Fold(turns, days, missed["overtaken"], missed["failed"], missed["aside"])

    def set_unreachable_aside(self) -> int:
        """Set aside the open turns that belong to no day of an account; how many."""
        return self._setting_aside.unreachable()

    def _fold_if_possible(
        self, account: str, day: str, missed: Counter[str], containment: Containment
    ) -> Iterator[int]:
        with containment.of("day_not_archived", account=account, day=day) as attempt:
            try:
                if is_day(day):
                    yield from self._fold_day(account, day, missed)
                else:
                    missed["aside"] += self._setting_aside.whole_day(account, day)
            except _Overtaken:
                missed["overtaken"] += 1
        missed["failed"] += attempt.has_failed

    def _fold_day(self, account: str, day: str, missed: Counter[str]) -> Iterator[int]:
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
            if not claimed:
                continue
            rollup = ledger.sum_claimed(account, day, fence)
            if rollup.total_turns != claimed:
                missed["aside"] += self._set_unsummable_aside(account, day, fence)
                is_last = False
                continue
            if not ledger.commit(account, day, fence, rollup):
                raise _Overtaken
            ledger.stamp(account, day, (fence.number,), expires_at)
            yield claimed

    def _set_unsummable_aside(self, account: str, day: str, fence: Fence) -> int:
        """Set aside what keeps a sum from being whole; `_Overtaken` if that is something else."""
        turns = self._setting_aside.unsummable(account, day, fence.number)
        if not turns:
            raise _Overtaken
        return turns


class _Overtaken(Exception):
    """Another archiver has taken the day."""
