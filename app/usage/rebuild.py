"""Recompute roll-ups of days whose turns are all still stored.

A roll-up may lack what its turns say: an earlier release has rolled up a part of the day without a
breakdown, or a backup of the roll-ups was restored. For a day of an account a rebuild repeats:

1. fence: take a fencing token, as archivers do (`app.usage.archive`).
2. sum the turns that the roll-up counts: those that have an expiry, and those that carry a
   committed token.
3. refuse the day if turns are missing.
4. replace the roll-up in one update, which has no effect if there is a newer token. In this case
   begin again.

Invariants:

- An archiver whose token is older than that of the rebuild cannot commit; its next pass goes on. If
  an archiver takes a newer token first, the rebuild has no effect and begins again.
- Live turns stay live: the rebuild changes no turn, and no committed token.
- A rebuild never loses a turn: it replaces a roll-up only by one that counts as many turns or more.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from app.backends.containment import Containment
from app.http.faults import AccountFault
from app.interactions.retention import RETENTION, expiry_of
from app.usage.errors import DayTooOld
from app.usage.rollups import Rollup, bounded, merged
from app.usage.store import Fence

# A day whose turns expire so soon is refused: the database may delete some during the rebuild.
MARGIN = timedelta(hours=1)
# An archiver takes a day at most once a minute, unless it is late.
_ATTEMPTS = 5
_UNCHANGED = "The roll-up stays as it is."


class RebuildLedger(Protocol):
    """The steps of a rebuild, as `app.usage.rebuilding.store.RebuildStore` does them."""

    def count_rolled_up(self, account: str, day: str) -> int:
        """Return how many turns the day's roll-up counts; 0 without a roll-up."""

    def count_summable_aside(self, account: str, day: str) -> int:
        """Return how many turns of the day may have been set aside although they can be summed."""

    def fence(self, account: str, day: str) -> Fence:
        """Issue a new fence of the day."""

    def sum_rolled_up(self, account: str, day: str, fence: Fence) -> Iterator[Rollup]:
        """Yield roll-ups of the stored turns that the day's roll-up counts, batch by batch."""

    def replace(self, account: str, day: str, fence: Fence, rollup: Rollup) -> bool:
        """Replace the day's roll-up; return False, without effect, if there is a newer fence."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result of a rebuild.

    - `turns` and `days` of accounts that were rebuilt.
    - `days_failed`: days of accounts that were refused or failed; the containment has reported why.
    - `empty_days`: on these days no account has turns in a roll-up.
    """

    turns: int = 0
    days: int = 0
    days_failed: int = 0
    empty_days: tuple[str, ...] = ()


def require_recent(days: Collection[str], now: datetime) -> None:
    """Raise DayTooOld for a day whose turns expire within `MARGIN`, or have expired."""
    for day in days:
        if expiry_of(day) - now <= MARGIN:
            oldest = (now + MARGIN - RETENTION).astimezone(UTC).date()
            raise DayTooOld(day, oldest.isoformat())


class Rebuilder:
    """Rebuilds days of accounts.

    Raises an outage of the ledger; the days so far are rebuilt. Any other error costs one day of
    one account.
    """

    def __init__(self, ledger: RebuildLedger) -> None:
        self._ledger = ledger

    def count_turns(self, accounts: Collection[str], days: Collection[str]) -> int:
        """Return how many turns there are to sum; damaged roll-ups count as empty."""
        unreported = Containment(lambda failure: None)
        turns = 0
        for account, day in _each(accounts, days):
            with unreported.of("day_not_counted", account=account, day=day):
                turns += self._ledger.count_rolled_up(account, day)
        return turns

    def rebuild(
        self,
        accounts: Collection[str],
        days: Collection[str],
        report: Callable[[int], None] = lambda turns: None,
        containment: Containment | None = None,
    ) -> Rebuilt:
        """Rebuild each of `days` of each of `accounts`.

        Calls `report` with the number of turns of each batch. `containment` reports the days that
        are refused or fail.
        """
        containment = containment or Containment()
        rebuilt: list[int] = []
        empty, failed = set(days), 0
        for account, day in _each(accounts, days):
            with containment.of("day_not_rebuilt", account=account, day=day) as attempt:
                turns = self._rebuild_day(account, day, report)
                rebuilt += [turns] if turns else []
                empty -= {day} if turns else set()
            if attempt.has_failed:
                failed += 1
                empty.discard(day)
        return Rebuilt(sum(rebuilt), len(rebuilt), failed, tuple(sorted(empty)))

    def _rebuild_day(self, account: str, day: str, report: Callable[[int], None]) -> int:
        """Return how many turns the rebuilt roll-up counts; 0 if there is nothing to rebuild."""
        # Before the fence, which would make the document of an empty day.
        if not self._ledger.count_rolled_up(account, day):
            return 0
        for _ in range(_ATTEMPTS):
            fence = self._ledger.fence(account, day)
            rollup = self._sum(account, day, fence, report)
            self._require_all_turns(account, day, fence.rollup.total_turns, rollup.total_turns)
            if self._ledger.replace(account, day, fence, rollup):
                return rollup.total_turns
        raise AccountFault(
            account, f"The archive changed the day {_ATTEMPTS} times meanwhile. Run it again."
        )

    def _sum(self, account: str, day: str, fence: Fence, report: Callable[[int], None]) -> Rollup:
        rollup = Rollup()
        for batch in self._ledger.sum_rolled_up(account, day, fence):
            rollup = merged([rollup, bounded(batch, rollup)])
            report(batch.total_turns)
        return rollup

    def _require_all_turns(self, account: str, day: str, counted: int, stored: int) -> None:
        """Refuse the day if turns are missing, or if turns that do not count may be among them.

        A turn that was set aside for its `open` alone looks like one that a roll-up counts.
        """
        if stored < counted:
            raise AccountFault(
                account, f"Only {stored:,} of its {counted:,} turns are still stored. {_UNCHANGED}"
            )
        aside = self._ledger.count_summable_aside(account, day)
        if aside:
            raise AccountFault(
                account,
                f"{stored:,} turns are stored and {counted:,} are rolled up, but turns of this day "
                f"were set aside ({aside:,}) and may be among them. {_UNCHANGED}",
            )


def _each(accounts: Collection[str], days: Collection[str]) -> Iterator[tuple[str, str]]:
    return ((account, day) for day in sorted(set(days)) for account in accounts)
