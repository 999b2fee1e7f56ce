"""What the worker does each minute for the archive, and how the archive is doing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from app.admission.clock import LedgerClock
from app.interactions.ids import first_ulid
from app.interactions.service import RETENTION_MS
from app.interactions.store import InteractionStore
from app.tenancy.model import Environment, Organization, account_of
from app.tenancy.periods import Period, period_at
from app.tenancy.service import Organizations
from app.usage.archive import Archiver, Fold
from app.usage.buckets import DAY_MS, day_of
from app.usage.store import UsageStore

DAY_US = DAY_MS * 1_000
HOUR_US = DAY_US // 24
# A turn is charged to its period at once, or to that of its reservation for 49 hours.
SETTLED_US = 3 * DAY_US
# Older periods may have lost turns to their expiry.
FREEZABLE_US = 140 * DAY_US
# A day's first turn expires with its last, a day later, and the database deletes once a minute: an
# hour after that, a turn that is still there is an alarm.
OVER_RETAINED_MS = RETENTION_MS + DAY_MS + DAY_MS // 24
MAX_OVER_RETAINED = 1_000


@dataclass(frozen=True, slots=True)
class Health:
    """How late the archive is.

    `lag_s` is how long ago the last sweep began that left nothing behind, 0 when nothing waits;
    before the first sweep, how long some turn has waited. `sweep_age_s` is the same whether or not
    something waits, None before the first. `over_retained_turns` are older than 181 days and an
    hour and still stored, counted up to 1,000. `set_aside_turns` could not be summed so far.
    """

    lag_s: int
    sweep_age_s: int | None
    over_retained_turns: int
    set_aside_turns: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Turns of a day of an account that are in no roll-up yet, or not stamped."""

    account: str
    day: str
    turns: int


class Upkeep:
    """Archives and freezes all that is due; every part may be done again at any time."""

    def __init__(
        self,
        store: UsageStore,
        ledger: InteractionStore,
        organizations: Organizations,
        clock: LedgerClock,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._organizations = organizations
        self._clock = clock
        self._archiver = Archiver(store)
        self._froze_on: date | None = None
        self._looked_at_us = 0

    def run(self, report: Callable[[int], None] = lambda turns: None) -> Fold:
        """Archive all that is open, and freeze the periods that have ended.

        `report` hears of each batch how many turns it archived; what it raises ends the pass, which
        does no harm.
        """
        started_at_us = self._clock.now_us()
        fold = self._archiver.run(report)
        if fold.is_whole:
            self._store.note_sweep(started_at_us)
        self._freeze_all(started_at_us)
        aside = fold.turns_set_aside + self._set_unreachable_aside(started_at_us)
        return replace(fold, turns_set_aside=aside)

    def waiting(self) -> list[Waiting]:
        """Every day with open turns; counts them all."""
        store = self._store
        return [
            Waiting(account, day, store.count_open(account, day))
            for account, day in store.open_days()
        ]

    def health(self) -> Health:
        """How late the archive is, found with four short look-ups."""
        now_us = self._clock.now_us()
        oldest = first_ulid(now_us // 1_000 - OVER_RETAINED_MS)
        open_us, swept_us = self._store.find_open_us(), self._store.find_sweep_us()
        sweep_age_s = None if swept_us is None else _seconds(now_us - swept_us)
        lag_s = 0
        if open_us is not None:
            lag_s = _seconds(now_us - open_us) if sweep_age_s is None else sweep_age_s
        return Health(
            lag_s=lag_s,
            sweep_age_s=sweep_age_s,
            over_retained_turns=self._store.count_older(oldest, MAX_OVER_RETAINED),
            set_aside_turns=self._store.count_set_aside(),
        )

    def list_set_aside(self, at_most: int) -> dict[str, int]:
        """Turns that were set aside, by `ACCOUNT/DAY`."""
        return self._store.list_set_aside(at_most)

    def note_drift(self, turns: int, relationships: int) -> None:
        """Add what a reconciliation has corrected, in either direction."""
        if turns or relationships:
            self._store.note_drift(turns, relationships)

    def readings(self) -> dict[str, int]:
        """What operators watch: how late the archive is, and all drift so far."""
        health = self.health()
        turns, relationships = self._store.drift()
        return {
            "archive_lag_seconds": health.lag_s,
            **(
                {}
                if health.sweep_age_s is None
                else {"archive_sweep_age_seconds": health.sweep_age_s}
            ),
            "over_retained_turns": health.over_retained_turns,
            "set_aside_turns": health.set_aside_turns,
            "quota_drift_turns": turns,
            "quota_drift_relationships": relationships,
        }

    def _set_unreachable_aside(self, now_us: int) -> int:
        """Set turns aside that no pass would ever meet, once an hour in this process."""
        if now_us - self._looked_at_us < HOUR_US:
            return 0
        self._looked_at_us = now_us
        return self._archiver.set_unreachable_aside()

    def _freeze_all(self, now_us: int) -> None:
        """Freeze what has ended, once a day in this process: periods end with a day."""
        today = day_of(now_us // 1_000)
        if today != self._froze_on:
            for organization in self._organizations.list_():
                self._freeze(organization, now_us)
            self._froze_on = today

    def _freeze(self, organization: Organization, now_us: int) -> None:
        for environment in Environment:
            account = account_of(organization.id, environment)
            frozen = self._store.frozen_periods(account)
            for period in _ended_periods(organization, now_us):
                if period.label not in frozen:
                    active = sum(1 for _ in self._ledger.count_relationships(account, period.label))
                    self._store.freeze_period(account, period.label, active)


def _seconds(duration_us: int) -> int:
    return max(duration_us, 0) // 1_000_000


def _ended_periods(organization: Organization, now_us: int) -> Iterator[Period]:
    """The settled periods since sign-up whose turns are all still there, newest first."""
    period = period_at(organization.signed_up_on, now_us - SETTLED_US)
    while True:
        period = period_at(organization.signed_up_on, period.start_us - 1)
        has_begun = period.start.date() >= organization.signed_up_on
        if not has_begun or period.start_us < now_us - FREEZABLE_US:
            return
        yield period
