"""What the worker does each minute for the archive, and how the archive is doing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from app.admission.clock import LedgerClock
from app.backends.containment import Containment
from app.interactions.ids import first_ulid
from app.interactions.service import RETENTION_MS
from app.interactions.store import InteractionStore
from app.tenancy.model import FaultyOrganization, FoundOrganization, organization_in
from app.tenancy.service import Organizations
from app.usage.archive import Archiver, Fold
from app.usage.buckets import DAY_MS
from app.usage.freezing import Freezer
from app.usage.notes.store import Faults, PassNotes
from app.usage.store import UsageStore

HOUR_US = DAY_MS * 1_000 // 24
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
    hour and still stored, counted up to 1,000. `organizations_at_fault` are those whose stored data
    the last passes could not use, up to 1,000. `set_aside_turns` could not be summed so far.
    """

    lag_s: int
    sweep_age_s: int | None
    over_retained_turns: int
    organizations_at_fault: int = 0
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
    ) -> Fold:
        """Archive all that is open, and freeze the periods that have ended.

        `report` hears of each batch how many turns it archived; what it raises ends the pass, which
        does no harm. `containment` hears of each day and organization that fails or is faulty.
        """
        containment = containment or Containment()
        started_at_us = self._clock.now_us()
        fold = self._archiver.run(report, containment)
        if fold.is_whole:
            self._notes.note_sweep(started_at_us)
        organizations = self._organizations.list_()
        self._note_faulty(organizations, containment)
        self._freezer.freeze(organizations, started_at_us, containment)
        aside = fold.turns_set_aside + self._set_unreachable_aside(started_at_us)
        self.note_failures("archive", containment)
        return replace(fold, turns_set_aside=aside)

    def note_failures(self, step: str, containment: Containment) -> None:
        """Have `/readyz`, metrics and `archive status` report what failed in a pass of `step`."""
        failures = containment.failures
        organizations = {organization_in(each.account) for each in failures if each.account}
        self._notes.note_faults(step, organizations, len(failures))

    def faults(self) -> Faults:
        """Return the organizations at fault in the last passes, and all failures so far."""
        return self._notes.faults()

    def waiting(self) -> list[Waiting]:
        """Every day with open turns; counts them all."""
        store = self._store
        return [
            Waiting(account, day, store.count_open(account, day))
            for account, day in store.open_days()
        ]

    def health(self) -> Health:
        """How late the archive is, found with a few short look-ups."""
        now_us = self._clock.now_us()
        oldest = first_ulid(now_us // 1_000 - OVER_RETAINED_MS)
        open_us, swept_us = self._store.find_open_us(), self._notes.find_sweep_us()
        sweep_age_s = None if swept_us is None else _seconds(now_us - swept_us)
        lag_s = 0
        if open_us is not None:
            lag_s = _seconds(now_us - open_us) if sweep_age_s is None else sweep_age_s
        return Health(
            lag_s=lag_s,
            sweep_age_s=sweep_age_s,
            over_retained_turns=self._store.count_older(oldest, MAX_OVER_RETAINED),
            organizations_at_fault=len(self.faults().organizations),
            set_aside_turns=self._notes.count_set_aside(),
        )

    def list_set_aside(self, at_most: int) -> dict[str, int]:
        """Turns that were set aside, by `ACCOUNT/DAY`."""
        return self._notes.list_set_aside(at_most)

    def note_drift(self, turns: int, relationships: int) -> None:
        """Add what a reconciliation has corrected, in either direction."""
        if turns or relationships:
            self._notes.note_drift(turns, relationships)

    def readings(self) -> dict[str, int]:
        """Return the figures for operators: how late the archive is, and all drift so far."""
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
            "contained_failures": self.faults().failures,
            "set_aside_turns": health.set_aside_turns,
            "quota_drift_turns": turns,
            "quota_drift_relationships": relationships,
        }

    def _note_faulty(
        self, organizations: Iterable[FoundOrganization], containment: Containment
    ) -> None:
        """Report organizations whose requests are refused; their turns are archived as ever."""
        faulty = [found for found in organizations if isinstance(found, FaultyOrganization)]
        for organization in faulty:
            containment.warn("organization_at_fault", organization.id, organization.reason)
        self._notes.note_faults("organizations", [found.id for found in faulty], 0)

    def _set_unreachable_aside(self, now_us: int) -> int:
        """Set turns aside that no pass would ever meet, once an hour in this process."""
        if now_us - self._looked_at_us < HOUR_US:
            return 0
        self._looked_at_us = now_us
        return self._archiver.set_unreachable_aside()


def _seconds(duration_us: int) -> int:
    return max(duration_us, 0) // 1_000_000
