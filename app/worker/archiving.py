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
        # Days and periods end by Redis's clock. Web processes follow it by the replies to their
        # requests; this chore has only this call, once a pass.
        self._clock.ask()
        _log.info("archived", **asdict(self._upkeep.run(lambda _turns: wait(0))))
        health = self._upkeep.health()
        if health.over_retained_turns:
            _log.error("turns_over_retained", **asdict(health))
