"""Archive turns, and report what is kept too long."""

from dataclasses import asdict

import structlog

from app.admission.clock import LedgerClock
from app.usage.upkeep import Upkeep
from app.worker.stop import Wait

_log = structlog.get_logger("turnledger.worker")


class Archiving:
    """One pass of the chore `archive`."""

    def __init__(self, upkeep: Upkeep, clock: LedgerClock) -> None:
        self._upkeep = upkeep
        self._clock = clock

    def run(self, wait: Wait) -> None:
        """Archive all that is due; the pass may end between two batches."""
        # A web process learns the time from Redis's replies to its requests. A worker serves none,
        # so it asks.
        self._clock.ask()
        _log.info("archived", **asdict(self._upkeep.run(lambda _turns: wait(0))))
        health = self._upkeep.health()
        if health.over_retained_turns:
            _log.error("turns_over_retained", **asdict(health))
