"""Make the worker of one process from the services that its chores use."""

from datetime import timedelta

from app.admission.build import AdmissionServices
from app.backends.containment import Containment
from app.schema import DatabaseSchema
from app.tenancy.build import TenancyServices
from app.usage.build import UsageServices
from app.usage.notes.store import WHOLE_PASSES
from app.worker.archiving import Archiving
from app.worker.chores import Chore
from app.worker.key_removal import KeyRemoval
from app.worker.reconciliation import Reconciling
from app.worker.service import Worker
from config.settings import Settings

ARCHIVE = "archive"
RECONCILE = "reconcile"
REMOVE_KEYS = "remove_keys"
CHORES = (ARCHIVE, RECONCILE, REMOVE_KEYS)


def build_worker(
    settings: Settings,
    admission: AdmissionServices,
    tenancy: TenancyServices,
    usage: UsageServices,
    schema: DatabaseSchema,
) -> Worker:
    """Make the worker with all its chores."""
    notes, clock = usage.notes, admission.clock
    retention = timedelta(days=settings.key_retention_days)

    def count_failures(containment: Containment) -> None:
        notes.note_failures(WHOLE_PASSES, containment)

    archiving = Archiving(usage.archive_pass, usage.archive_health, clock)
    keys = KeyRemoval(tenancy.ended_keys, clock, retention)
    chores = (
        Chore(ARCHIVE, archiving.run, "archive_pass_failed"),
        Chore(RECONCILE, Reconciling(admission.reconciler, notes).run, "reconciliation_failed"),
        Chore(REMOVE_KEYS, keys.run, "key_removal_failed"),
    )
    return Worker(chores, schema.require_indexes, count_failures)
