"""The ledger's clock: instants of turns are corrected if this machine's clock is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

TOLERATED_MS = 2_000
# The years 2020 to 2200: an instant outside of them is no instant of a ledger.
_FIRST_MS, _LAST_MS = 1_577_836_800_000, 7_258_118_400_000


class LedgerClock:
    """Learns the skew of this machine's clock from answers; corrects it above 2 s."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._skew_ms = 0

    @property
    def skew_s(self) -> float:
        """Seconds by which the ledger's clock is ahead of this machine's; 0 below 2 s."""
        return self._skew_ms / 1_000

    def now_ms(self) -> int:
        """Return ms since 1970 by the ledger's clock."""
        return self._now_ms() + self._skew_ms

    def local_ms(self) -> int:
        """Return ms since 1970 by this machine's clock."""
        return self._now_ms()

    def learn(self, ledger_ms: int) -> None:
        """Learn from an instant of the ledger that is as old as its answer; ignore nonsense."""
        if not _FIRST_MS <= ledger_ms < _LAST_MS:
            return
        skew_ms = ledger_ms - self._now_ms()
        self._skew_ms = skew_ms if abs(skew_ms) > TOLERATED_MS else 0

    def learn_from_date(self, date: str | None) -> None:
        """Learn from a `Date` header, whose instant is cut to seconds; ignore a malformed one."""
        date_ms = parse_date_ms(date or "")
        if date_ms is not None:
            self.learn(date_ms + 500)


def format_ms(instant_ms: int) -> str:
    """Return an instant as the wire has it: ISO-8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(instant_ms / 1_000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant_ms % 1_000:03d}Z"


def parse_ms(text: object) -> int | None:
    """Return ms since 1970 of an ISO-8601 instant; None if it is malformed."""
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return _ms_of(moment)


def parse_date_ms(text: str) -> int | None:
    """Return ms since 1970 of a `Date` header, which has whole seconds; None if it is malformed."""
    try:
        return _ms_of(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return None


def _ms_of(moment: datetime) -> int | None:
    return round(moment.timestamp() * 1_000) if moment.tzinfo else None
