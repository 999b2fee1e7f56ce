"""Delete API keys that ended long ago."""

from datetime import timedelta

import structlog

from app.admission.clock import LedgerClock
from app.tenancy.api_keys import ApiKeys
from app.worker.stop import Wait

_log = structlog.get_logger("turnledger.worker")


class KeyRemoval:
    """One pass of the chore `remove_keys`; keeps an ended key for `retention`."""

    def __init__(self, api_keys: ApiKeys, clock: LedgerClock, retention: timedelta) -> None:
        self._api_keys = api_keys
        self._clock = clock
        self._retention = retention

    def run(self, _wait: Wait) -> None:
        """Delete the keys, and log their number if there are any."""
        self._clock.ask()
        removed = self._api_keys.remove_ended(self._retention)
        if removed:
            _log.info("ended_keys_removed", keys=removed)
