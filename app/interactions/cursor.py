"""Cursors of listings and tokens of exports; `app.http.cursors` signs and binds them."""

from dataclasses import astuple, dataclass
from typing import Any

from app.http.cursors import SignedCursors
from app.interactions.model import Filters


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last id that a page has shown, and the instant at which its listing started."""

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
    """Return the account and every filter, in the order in which `Filters` declares them.

    A filter that is added, removed or moved refuses all live cursors at the deploy.
    """
    return [account, *astuple(filters)]
