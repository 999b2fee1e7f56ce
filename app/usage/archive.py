"""Roll turns up into the totals of their day, and then let them expire.

A turn is stored open (`app.usage` defines it), with `open: 0`, and without `expires_at`. An
archiver repeats these steps for each day of an account, until the day has no open turns:

1. fence: take a fencing token, which is higher than any before, and read which are committed.
2. finish: set `expires_at` of turns with a committed token. Their archiver died before its step 6.
3. claim: set `open` of turns that are not rolled up to the token.
4. sum the turns that carry the token.
5. commit: add the sums to the day and the token to its committed ones, in one update. The update
   has no effect if there is a newer token.
6. set `expires_at` of the turns that carry the token, and remove `open`. They expire 180 days after
   their day.

Invariants:

- Only a turn that is committed or set aside has `expires_at`. So no turn that can be summed expires
  before it is counted.
- An archiver with an old token cannot commit, and the newer token claims its turns: no turn counts
  twice.
- An archiver commits only if its sum covers exactly the turns that it claimed. Otherwise it sets
  aside the turns that cannot be summed (`app.usage.summable`) and takes a new token.

A kill at any point and several archivers at once do no harm. Turns that arrive late are open, too.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.backends.containment import Containment
from app.interactions.retention import expiry_of, is_day
from app.usage.rollups import Rollup
from app.usage.setting_aside import OpenRows, SettingAside
from app.usage.store import Fence

# Turns of one claim: so few that each step ends well within the database's time-out.
BATCH_COUNT = 10_000


class ArchiveLedger(Protocol):
    """The archive's steps, as `app.usage.store.UsageStore` does them."""

    open_rows: OpenRows

    def open_days(self) -> Iterator[tuple[str, str]]:
        """Yield account and day of all open turns."""

    def fence(self, account: str, day: str) -> Fence:
        """Issue a new fence of the day."""

    def claim_left(self, account: str, day: str, fence: Fence) -> int:
        """Claim the turns that others have claimed and not committed; return their number."""

    def claim_new(self, account: str, day: str, fence: Fence, at_most: int) -> int:
        """Claim turns that no archiver has claimed; return their number."""

    def sum_claimed(self, account: str, day: str, fence: Fence) -> Rollup:
        """Return the roll-up of the claimed turns."""

    def commit(self, account: str, day: str, fence: Fence, rollup: Rollup) -> bool:
        """Add `rollup` to the day; return False, without effect, if there is a newer fence."""

    def set_expiry(
        self, account: str, day: str, fences: Collection[int], expires_at: datetime
    ) -> int:
        """Set `expires_at` of the turns that carry one of these committed fences."""


@dataclass(frozen=True, slots=True)
class Archived:
    """The result of one pass.

    - `turns` and `days` of accounts that it archived.
    - `days_overtaken`: another archiver took these days.
    - `days_failed`: these days failed; the pass's containment has reported why.
    - `turns_set_aside`: these turns could not be summed.
    """

    turns: int = 0
    days: int = 0
    days_overtaken: int = 0
    days_failed: int = 0
    turns_set_aside: int = 0

    @property
    def is_whole(self) -> bool:
        """Return True if the archive is not late: no open day was left to another archiver.

        A failed day does not count: it may fail for ever, and must not make the archive look late
        for all other accounts. The number of organizations at fault reports it.
        """
        return not self.days_overtaken


class Archiver:
    """Archives all open turns.

    Raises an outage of the ledger; the next run continues. Any other error costs one day of one
    account.
    """

    def __init__(self, ledger: ArchiveLedger, batch_count: int = BATCH_COUNT) -> None:
        self._ledger = ledger
        self._batch_count = batch_count
        self._setting_aside = SettingAside(ledger.open_rows)

    def run(
        self,
        report: Callable[[int], None] = lambda turns: None,
        containment: Containment | None = None,
    ) -> Archived:
        """Archive all turns that are open now.

        Calls `report` with the number of turns of each batch. `containment` reports failed days.
        """
        containment = containment or Containment()
        turns = days = 0
        missed: Counter[str] = Counter()
        for account, day in self._ledger.open_days():
            days += 1
            for batch_count in self._archive_if_possible(account, day, missed, containment):
                turns += batch_count
                report(batch_count)
        return Archived(turns, days, missed["overtaken"], missed["failed"], missed["aside"])

    def set_unreachable_aside(self) -> int:
        """Set aside the open turns that belong to no day of an account; return their number."""
        return self._setting_aside.unreachable()

    def _archive_if_possible(
        self, account: str, day: str, missed: Counter[str], containment: Containment
    ) -> Iterator[int]:
        with containment.of("day_not_archived", account=account, day=day) as attempt:
            try:
                if is_day(day):
                    yield from self._archive_day(account, day, missed)
                else:
                    missed["aside"] += self._setting_aside.whole_day(account, day)
            except _Overtaken:
                missed["overtaken"] += 1
        missed["failed"] += attempt.has_failed

    def _archive_day(self, account: str, day: str, missed: Counter[str]) -> Iterator[int]:
        """Archive a day batch by batch, until it has no open turn."""
        ledger, expires_at = self._ledger, expiry_of(day)
        is_last = False
        while not is_last:
            fence = ledger.fence(account, day)
            ledger.set_expiry(account, day, fence.committed, expires_at)
            # The claims of a dead archiver are a batch of their own, so that no batch grows.
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
            ledger.set_expiry(account, day, (fence.number,), expires_at)
            yield claimed

    def _set_unsummable_aside(self, account: str, day: str, fence: Fence) -> int:
        """Set aside the claimed turns that cannot be summed; `_Overtaken` if there are none."""
        turns = self._setting_aside.unsummable(account, day, fence.number)
        if not turns:
            raise _Overtaken
        return turns


class _Overtaken(Exception):
    """Another archiver has a newer fence of the day."""
