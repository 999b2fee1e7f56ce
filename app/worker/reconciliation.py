"""Reconcile the counters of all accounts, and note what was corrected."""

from collections.abc import Sequence

import structlog

from app.admission.reconcile import Reconciler, Reconciliation
from app.backends.containment import Containment
from app.usage.notes.store import Drift, PassNotes
from app.worker.stop import Wait

_log = structlog.get_logger("turnledger.worker")


class Reconciling:
    """One pass of the chore `reconcile`."""

    def __init__(self, reconciler: Reconciler, notes: PassNotes) -> None:
        self._reconciler = reconciler
        self._notes = notes

    def run(self, wait: Wait) -> None:
        """Reconcile every account that has counters; log each whose counters had drifted.

        The pass may end while it waits for the requests in flight.
        """
        containment = Containment()
        done = self._reconciler.reconcile(self._reconciler.list_accounts(), wait, containment)
        for result in done:
            if result.turns_drift or result.relationships_drift or result.uncharged_drift:
                _log.warning("quota_drift", **drift_record(result))
        note_pass(self._notes, done, containment)
        _log.info("quota_reconciled", accounts=len(done), failed=len(containment.failures))


def note_pass(notes: PassNotes, done: Sequence[Reconciliation], containment: Containment) -> None:
    """Add the corrections and failures of a pass to the metrics."""
    drift = Drift(
        turns=sum(abs(result.turns_drift) for result in done),
        relationships=sum(abs(result.relationships_drift) for result in done),
        uncharged_turns=sum(abs(result.uncharged_drift) for result in done),
    )
    notes.note_drift(drift)
    notes.note_failures("reconcile", containment)


def drift_record(result: Reconciliation) -> dict[str, object]:
    """Return an account's counters before and after, for the log and for commands."""
    return {
        "account": result.keys.account,
        "period": result.keys.quota_period,
        "turns_before": result.turns_used - result.turns_drift,
        "turns_after": result.turns_used,
        "turns_drift": result.turns_drift,
        "relationships_before": result.relationships_used - result.relationships_drift,
        "relationships_after": result.relationships_used,
        "relationships_drift": result.relationships_drift,
        "uncharged_before": result.uncharged_used - result.uncharged_drift,
        "uncharged_after": result.uncharged_used,
        "uncharged_drift": result.uncharged_drift,
    }
