"""Remove API keys that expired or were revoked long ago."""

from collections.abc import Callable
from datetime import datetime, timedelta

from app.http.instants import utc_now
from app.tenancy.store import TenancyStore

REMOVED_AT_ONCE = 1_000


class EndedKeys:
    """Expired and revoked keys of every organization, for the worker."""

    def __init__(self, store: TenancyStore, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._now = now

    def remove(self, retention: timedelta) -> int:
        """Delete keys that expired or were revoked `retention` ago or earlier; return how many.

        Afterwards authentication with one of them raises KeyUnknown.
        """
        ended_by, removed = self._now() - retention, 0
        while found := self._store.remove_keys(ended_by, REMOVED_AT_ONCE):
            removed += found
        return removed
