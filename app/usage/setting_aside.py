"""Close turns that no roll-up can count, so that they expire like the others.

The notes count them by account and day, and the log names them. Nothing else in them changes.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import structlog

from app.http.instants import day_of_ms, utc_now
from app.interactions.ids import LAST_DATED_MS, find_instant_ms
from app.interactions.retention import expiry_of, is_day

UNKNOWN = "unknown"
# Rows that are read at once.
BATCH_COUNT = 1_000
_ACCOUNT = re.compile(r"[!-~]{1,80}", re.ASCII)
_log = structlog.get_logger("turnledger.worker")


class OpenRow(NamedTuple):
    """A row's own id, account and day; each may be of any type, or missing (None)."""

    row_id: Any
    account: Any
    day: Any


class OpenRows(Protocol):
    """The open rows of a ledger, as `OpenRowStore` reads and closes them."""

    def find_unreachable(self, at_most: int) -> list[OpenRow]:
        """Return rows that would never expire, because the archive meets them in no day."""

    def find_open(self, account: str, day: str, at_most: int) -> list[OpenRow]:
        """Return open rows of a day."""

    def find_unsummable(
        self, account: str, day: str, fence_number: int, at_most: int
    ) -> list[OpenRow]:
        """Return rows that carry this fence's number and cannot be summed."""

    def close(self, row_ids: Collection[Any], expires_at: datetime) -> int:
        """Set the expiry of rows that have none; return their number."""

    def note_set_aside(self, account: str, day: str, turns: int) -> None:
        """Add to the turns that were set aside."""


class SettingAside:
    """Sets turns aside: each expires 180 days after its day, as if it had been counted."""

    def __init__(self, rows: OpenRows, now: Callable[[], datetime] = utc_now) -> None:
        self._rows = rows
        self._now = now

    def unreachable(self) -> int:
        """Set aside the turns that belong to no day of an account; return their number."""
        return self._set_aside(lambda: self._rows.find_unreachable(BATCH_COUNT))

    def whole_day(self, account: str, day: str) -> int:
        """Set aside the open turns of a day that is in no calendar; return their number."""
        return self._set_aside(lambda: self._rows.find_open(account, day, BATCH_COUNT))

    def unsummable(self, account: str, day: str, fence_number: int) -> int:
        """Set aside the turns of this fence that cannot be summed; return their number."""
        return self._set_aside(
            lambda: self._rows.find_unsummable(account, day, fence_number, BATCH_COUNT)
        )

    def _set_aside(self, find: Callable[[], list[OpenRow]]) -> int:
        total = 0
        while rows := find():
            closed = sum(self._close(*named) for named in self._by_day(rows).items())
            total += closed
            if not closed:  # another archiver was faster
                break
        return total

    def _by_day(self, rows: Iterable[OpenRow]) -> dict[tuple[str, str], list[Any]]:
        """Return the ids of `rows` by account and day."""
        today = self._now().date().isoformat()
        found = defaultdict[tuple[str, str], list[Any]](list)
        for row in rows:
            is_named = isinstance(row.account, str) and _ACCOUNT.fullmatch(row.account)
            account = row.account if is_named else UNKNOWN
            # A row of the future stays no longer than one that is recorded now.
            found[account, min(_day_of(row) or today, today)].append(row.row_id)
        return found

    def _close(self, named: tuple[str, str], row_ids: Collection[Any]) -> int:
        account, day = named
        turns = self._rows.close(row_ids, expiry_of(day))
        if turns:
            # First: if counting them fails, the log still names them.
            _log.error("turns_set_aside", account=account, day=day, turns=turns)
            self._rows.note_set_aside(account, day, turns)
        return turns


def _day_of(row: OpenRow) -> str | None:
    """Return the day of a row, or else that of its id."""
    if is_day(row.day):
        return str(row.day)
    instant_ms = find_instant_ms(row.row_id)
    return None if instant_ms is None else day_of_ms(min(instant_ms, LAST_DATED_MS))
