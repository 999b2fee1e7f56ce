"""Archive turns, and report what is kept too long."""

from dataclasses import asdict

import structlog

from app.admission.clock import LedgerClock
from app.usage.archive_pass import ArchivePass
from app.usage.health import ArchiveHealth
from app.worker.stop import Wait

_log = structlog.get_logger("turnledger.worker")


class Archiving:
    """One pass of the chore `archive`."""

    def __init__(
        self, archive_pass: ArchivePass, archive_health: ArchiveHealth, clock: LedgerClock
    ) -> None:
        self._pass = archive_pass
        self._health = archive_health
        self._clock = clock

    def run(self, wait: Wait) -> None:
        """Archive all that is due; the pass may end between two batches."""
        self._clock.ask()
        _log.info("archived", **asdict(self._pass.run(lambda _turns: wait(0))))
        health = self._health.measure()
        if health.over_retained_turns:
            _log.error("turns_over_retained", **asdict(health))
