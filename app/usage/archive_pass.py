"""Do one pass of the archive: roll up turns, freeze periods, set unreachable turns aside."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from app.admission.clock import LedgerClock
from app.backends.containment import Containment
from app.http.durations import HOUR_US
from app.interactions.store import InteractionStore
from app.tenancy.model import FaultyOrganization, FoundOrganization
from app.tenancy.service import Organizations
from app.usage.archive import Archived, Archiver
from app.usage.freezing import Freezer
from app.usage.notes.store import PassNotes
from app.usage.store import UsageStore


class ArchivePass:
    """Archives and freezes all that is due; every part may be repeated at any time."""

    def __init__(
        self,
        store: UsageStore,
        notes: PassNotes,
        ledger: InteractionStore,
        organizations: Organizations,
        clock: LedgerClock,
    ) -> None:
        self._notes = notes
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
