"""Keep turns in a SQLite file that all processes of a producer share.

Each call is one transaction. A process changes only rows that it owns, so no two of them send the
same row. Rows of dead processes change their owner in one transaction.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .._core.values import Account
from .base import Store
from .table import SqliteTable


class Outbox(Store):
    """Store the turns of one account in a file."""

    def __init__(
        self,
        path: Path,
        account: Account,
        *,
        max_turns: int,
        fsync: bool,
        now_ms: Callable[[], int],
    ) -> None:
        self.path = path
        self.account = account
        self._file = SqliteTable(path, account, fsync=fsync)
        super().__init__(self._file, max_turns=max_turns, now_ms=now_ms)

    def adopt(self, accounts: Sequence[tuple[Any, ...]], turns: Sequence[tuple[Any, ...]]) -> None:
        """Add rows of a damaged file; another process takes them over and sends them."""
        with self._lock:
            self._file.adopt(accounts, turns, self._now_ms())
