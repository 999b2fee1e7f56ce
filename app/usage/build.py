"""Make the services that archive turns and report usage."""

from dataclasses import dataclass

from app.admission.clock import LedgerClock
from app.admission.peek import Peek
from app.backends.backend import Backend
from app.interactions.build import Ledgers
from app.tenancy.service import Organizations
from app.usage.archive_pass import ArchivePass
from app.usage.health import ArchiveHealth
from app.usage.limits import LimitsReader
from app.usage.notes.store import PassNotes
from app.usage.rebuild import Rebuilder
from app.usage.rebuilding.store import RebuildStore
from app.usage.service import UsageService
from app.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class UsageServices:
    """The services of this room; those of the archive use the maintenance client."""

    store: UsageStore
    service: UsageService
    limits: LimitsReader
    notes: PassNotes
    archive_pass: ArchivePass
    archive_health: ArchiveHealth
    rebuilder: Rebuilder


def build_usage(
    backend: Backend, ledgers: Ledgers, organizations: Organizations, clock: LedgerClock
) -> UsageServices:
    """Make the services. Passes scan by the maintenance client; their notes are short writes."""
    store, notes = UsageStore(backend.database), PassNotes(backend.database)
    scanned, service = UsageStore(backend.maintenance_database), UsageService(store)
    return UsageServices(
        store=store,
        service=service,
        limits=LimitsReader(Peek(backend.redis, clock), service),
        notes=notes,
        archive_pass=ArchivePass(scanned, notes, ledgers.maintenance, organizations, clock),
        archive_health=ArchiveHealth(scanned, notes, clock),
        rebuilder=Rebuilder(RebuildStore(backend.maintenance_database)),
    )


def build_probed_health(backend: Backend, clock: LedgerClock) -> ArchiveHealth:
    """Make the health that probes read; they must not wait as long as maintenance may."""
    return ArchiveHealth(UsageStore(backend.database), PassNotes(backend.database), clock)
