"""Do the archive's work of each minute, and measure how late the archive is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from app.admission.clock import LedgerClock
from app.backends.containment import Containment
from app.http.durations import DAY_MS, HOUR_MS, HOUR_US
from app.interactions.ids import lowest_ulid
from app.interactions.retention import RETENTION_MS
from app.interactions.store import InteractionStore
from app.tenancy.model import FaultyOrganization, FoundOrganization
from app.tenancy.service import Organizations
from app.usage.archive import Archived, Archiver
from app.usage.freezing import Freezer
from app.usage.notes.store import PassNotes
from app.usage.store import UsageStore

# A day's first turn expires with its last, a day later, and the database deletes once a minute. A
# turn that is still stored an hour after that is an alarm.
OVER_RETAINED_MS = RETENTION_MS + DAY_MS + HOUR_MS
MAX_OVER_RETAINED = 1_000


@dataclass(frozen=True, slots=True)
class Health:
    """How late the archive is.

    - `lag_s`: seconds since the last complete sweep started; 0 when no turns are waiting. Before
      the first sweep, the time that one of the turns has waited.
    - `sweep_age_s`: seconds since the last complete sweep started, or None before the first.
    - `over_retained_turns`: stored turns older than 181 days and an hour, counted up to 1,000.
    - `organizations_at_fault`: organizations with stored data that the last passes could not use,
      counted up to 1,000.
    - `set_aside_turns`: turns that could not be summed so far.
    """

    lag_s: int
    sweep_age_s: int | None
    over_retained_turns: int
    organizations_at_fault: int = 0
    set_aside_turns: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The number of open turns of a day of an account; `app.usage` defines open."""

    account: str
    day: str
    turns: int


class Upkeep:
    """Archives and freezes all that is due; every part may be repeated at any time."""

    def __init__(
        self,
        store: UsageStore,
        notes: PassNotes,
        ledger: InteractionStore,
        organizations: Organizations,
        clock: LedgerClock,
    ) -> None:
        self._store = store
        self._notes = notes
        self._ledger = ledger
        self._organizations = organizations
        self._clock = clock
        self._archiver = Archiver(store)
        self._freezer = Freezer(store, ledger)
        self._looked_at_us = 0

    def run(
        self,
        report: Callable[[int], None] = lambda turns: None,
        containment: Containment | None = None,
    ) -> Archived:
        """Archive all open turns, and freeze the periods that have ended.

        Calls `report` with the number of turns of each batch. An exception from `report` ends the
        pass, which does no harm. `containment` reports failed days and faulty organizations.
        """
        containment = containment or Containment()
        started_at_us = self._clock.now_us()
        archived = self._archiver.run(report, containment)
        if archived.is_whole:
            self._notes.note_sweep(started_at_us)
        organizations = self._organizations.list_()
        self._note_faulty(organizations, containment)
        self._freezer.freeze(organizations, started_at_us, containment)
        aside = archived.turns_set_aside + self._set_unreachable_aside(started_at_us)
        self._notes.note_failures("archive", containment)
        return replace(archived, turns_set_aside=aside)

    def waiting(self) -> list[Waiting]:
        """Return every day with open turns, and count its turns."""
        store = self._store
        return [
            Waiting(account, day, store.count_open(account, day))
            for account, day in store.open_days()
        ]

    def health(self) -> Health:
        """Return how late the archive is, by a few short look-ups."""
        now_us = self._clock.now_us()
        oldest = lowest_ulid(now_us // 1_000 - OVER_RETAINED_MS)
        open_us, swept_us = self._store.find_open_us(), self._notes.find_sweep_us()
        sweep_age_s = None if swept_us is None else _seconds(now_us - swept_us)
        lag_s = 0
        if open_us is not None:
            lag_s = _seconds(now_us - open_us) if sweep_age_s is None else sweep_age_s
        return Health(
            lag_s=lag_s,
            sweep_age_s=sweep_age_s,
            over_retained_turns=self._store.count_older(oldest, MAX_OVER_RETAINED),
            organizations_at_fault=len(self._notes.faults().organizations),
            set_aside_turns=self._notes.count_set_aside(),
        )

    def readings(self) -> dict[str, int]:
        """Return the figures of the metrics: how late the archive is, and all drift so far."""
        health = self.health()
        turns, relationships = self._notes.drift()
        return {
            "archive_lag_seconds": health.lag_s,
            **(
                {}
                if health.sweep_age_s is None
                else {"archive_sweep_age_seconds": health.sweep_age_s}
            ),
            "over_retained_turns": health.over_retained_turns,
            "organizations_at_fault": health.organizations_at_fault,
            "contained_failures": self._notes.faults().failures,
            "set_aside_turns": health.set_aside_turns,
            "quota_drift_turns": turns,
            "quota_drift_relationships": relationships,
        }

    def _note_faulty(
        self, organizations: Iterable[FoundOrganization], containment: Containment
    ) -> None:
        """Report organizations whose requests are refused; their turns are archived as usual."""
        faulty = [found for found in organizations if isinstance(found, FaultyOrganization)]
        for organization in faulty:
            containment.warn("organization_at_fault", organization.id, organization.reason)
        self._notes.note_faults("organizations", [found.id for found in faulty], 0)

    def _set_unreachable_aside(self, now_us: int) -> int:
        """Set aside the turns that belong to no day, once an hour in this process."""
        if now_us - self._looked_at_us < HOUR_US:
            return 0
        self._looked_at_us = now_us
        return self._archiver.set_unreachable_aside()


def _seconds(duration_us: int) -> int:
    return max(duration_us, 0) // 1_000_000
