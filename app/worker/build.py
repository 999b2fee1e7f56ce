"""Make the worker of one process from the services that its chores use."""

from collections.abc import Callable
from datetime import timedelta

from app.admission.clock import LedgerClock
from app.admission.reconcile import Reconciler
from app.backends.containment import Containment
from app.tenancy.api_keys import ApiKeys
from app.usage.upkeep import Upkeep
from app.worker.archiving import Archiving
from app.worker.chores import Chore
from app.worker.key_removal import KeyRemoval
from app.worker.reconciliation import Reconciling
from app.worker.service import Worker

ARCHIVE = "archive"
RECONCILE = "reconcile"
REMOVE_KEYS = "remove_keys"


def build(
    *,
    upkeep: Upkeep,
    reconciler: Reconciler,
    api_keys: ApiKeys,
    clock: LedgerClock,
    key_retention_days: int,
    require_ready: Callable[[], object],
) -> Worker:
    """Make the worker with all its chores; `require_ready` raises while indexes are missing."""
    retention = timedelta(days=key_retention_days)

    def count_failures(containment: Containment) -> None:
        upkeep.note_failures("whole_steps", containment)

    chores = (
        Chore(ARCHIVE, Archiving(upkeep, clock).run, "archive_pass_failed"),
        Chore(RECONCILE, Reconciling(reconciler, upkeep).run, "reconciliation_failed"),
        Chore(REMOVE_KEYS, KeyRemoval(api_keys, clock, retention).run, "key_removal_failed"),
    )
    return Worker(chores, require_ready, count_failures)
