"""Report the use of the organizations that use most, for the metrics."""

import time
from collections.abc import Callable, Sequence
from threading import Lock

from app.tenancy.model import Environment
from app.watch.near import AccountUse, NearestToCeilings

KEPT_S = 60.0


class LargestAccounts:
    """The `most_count` accounts with the most turns in their period; safe between threads.

    Scrapes read all counters at most once a minute in each process, and not at all if `most_count`
    is 0.
    """

    def __init__(
        self,
        nearest: NearestToCeilings,
        most_count: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nearest = nearest
        self._most_count = most_count
        self._clock = clock
        self._lock = Lock()
        self._read_at_s: float | None = None
        self._accounts: Sequence[AccountUse] = ()

    def list_(self) -> Sequence[AccountUse]:
        """Return the accounts, the one with the most turns first; as of the last minute."""
        if not self._most_count:
            return ()
        with self._lock:
            now_s = self._clock()
            if self._read_at_s is None or now_s - self._read_at_s >= KEPT_S:
                self._accounts = self._read()
                self._read_at_s = now_s
            return self._accounts

    def figures(self) -> dict[str, dict[tuple[str, str], int]]:
        """Return turns and their limit by metric, then by organization and environment."""
        found = self.list_()
        return {
            "organization_turns_used": {_name(each): each.quota.turns_used for each in found},
            "organization_turns_limit": {
                _name(each): each.quota.turns_limit
                for each in found
                if each.quota.turns_limit is not None
            },
        }

    def _read(self) -> Sequence[AccountUse]:
        found = self._nearest.list_(list(Environment)).accounts
        used = (account for account in found if account.quota.turns_used)
        return sorted(used, key=lambda each: -each.quota.turns_used)[: self._most_count]


def _name(account: AccountUse) -> tuple[str, str]:
    return account.organization.id, account.environment.value
