"""Cursors of listings and tokens of exports; `app.http.cursors` signs and binds them."""

from dataclasses import dataclass
from typing import Any

from app.http.cursors import SignedCursors
from app.interactions.model import Filters

# Append new filters: the order is signed.
_LATER = ("status", "mode", "llm_model", "turn_id")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The id before which the next page begins, and the instant at which its listing started."""

    last_ulid: str
    listing_started_us: int


class Cursors:
    """Cursors of turns; `now_us` is an instant of Redis's clock."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._signed = SignedCursors(
            secrets, "turnledger.interactions.cursor", version=2, position_count=2
        )

    def write(self, cursor: Cursor, account: str, filters: Filters, now_us: int) -> str:
        """Return the cursor as text, valid for 24 hours from `now_us`."""
        position = [cursor.last_ulid, cursor.listing_started_us]
        return self._signed.write(_binding(account, filters), position, now_us)

    def read(self, text: str, account: str, filters: Filters, now_us: int) -> Cursor:
        """Return the cursor in `text`; CursorRefused unless it was made for this list."""
        return Cursor(*self._signed.read(text, _binding(account, filters), now_us))


class ExportTokens:
    """Tokens of exports; each holds the instant at which its export started.

    `now_us` is an instant of Redis's clock.
    """

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._signed = SignedCursors(
            secrets,
            "turnledger.interactions.export",
            version=1,
            position_count=1,
            name="export token",
        )

    def write(self, started_us: int, account: str, filters: Filters, now_us: int) -> str:
        """Return the token as text, valid for 24 hours from `now_us`."""
        return self._signed.write(_binding(account, filters), [started_us], now_us)

    def read(self, text: str, account: str, filters: Filters, now_us: int) -> int:
        """Return the start in `text`; CursorRefused unless it was made for this export."""
        (started_us,) = self._signed.read(text, _binding(account, filters), now_us)
        return int(started_us)


def _binding(account: str, filters: Filters) -> list[Any]:
    """Return the account and the filters in the form that is signed.

    The first release had four filters, and signs each of them. Later ones are signed only if they
    are set. So a deploy refuses no live cursor, and a process of an earlier release refuses a
    cursor of a filter that it does not know. Another form would refuse all live cursors.
    """
    first = [filters.user_id, filters.relationship_id, filters.from_ms, filters.to_ms]
    later = {name: value for name in _LATER if (value := getattr(filters, name)) is not None}
    return [account, *first, later] if later else [account, *first]
