"""Make the services that archive turns and report usage."""

from dataclasses import dataclass

from app.admission.clock import LedgerClock
from app.backends.backend import Backend
from app.interactions.build import Ledgers
from app.tenancy.service import Organizations
from app.usage.notes.store import PassNotes
from app.usage.service import UsageService
from app.usage.store import UsageStore
from app.usage.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class UsageServices:
    """The services of this room: `upkeep` scans by the maintenance client, the others do not."""

    store: UsageStore
    service: UsageService
    notes: PassNotes
    upkeep: Upkeep


def build_usage(
    backend: Backend, ledgers: Ledgers, organizations: Organizations, clock: LedgerClock
) -> UsageServices:
    """Make the services. Passes scan by the maintenance client; their notes are short writes."""
    store, notes = UsageStore(backend.database), PassNotes(backend.database)
    return UsageServices(
        store=store,
        service=UsageService(store),
        notes=notes,
        upkeep=Upkeep(
            UsageStore(backend.maintenance_database),
            notes,
            ledgers.maintenance,
            organizations,
            clock,
        ),
    )


def build_probed_upkeep(
    backend: Backend, ledgers: Ledgers, organizations: Organizations, clock: LedgerClock
) -> Upkeep:
    """Make an `Upkeep` for probes, which must not wait as long as maintenance may."""
    database = backend.database
    return Upkeep(UsageStore(database), PassNotes(database), ledgers.request, organizations, clock)
