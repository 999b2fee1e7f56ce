"""Delete API keys that ended long ago."""

from datetime import timedelta

import structlog

from app.admission.clock import LedgerClock
from app.tenancy.ended_keys import EndedKeys
from app.worker.stop import Wait

_log = structlog.get_logger("turnledger.worker")


class KeyRemoval:
    """One pass of the chore `remove_keys`; keeps an ended key for `retention`."""

    def __init__(self, ended_keys: EndedKeys, clock: LedgerClock, retention: timedelta) -> None:
        self._ended_keys = ended_keys
        self._clock = clock
        self._retention = retention

    def run(self, _wait: Wait) -> None:
        """Delete the keys, and log their number if there are any."""
        self._clock.ask()
        removed = self._ended_keys.remove(self._retention)
        if removed:
            _log.info("ended_keys_removed", keys=removed)
