"""Export turns: the whole of a filtered list, read in batches and sent as one stream.

An export is a range of ids and an instant, like a listing. Its rows are read by ranges of ids, so
nothing stays open in MongoDB between two batches. An export that was cut goes on after the last id
that arrived: its token holds the instant, so the rest is that of the same set.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain

from app.admission.clock import LedgerClock
from app.backends.outages import is_outage
from app.http.faults import AccountFault
from app.http.request_errors import CursorRefused, InvalidFields, field_error
from app.interactions.cursor import ExportTokens
from app.interactions.ids import find_ulid, lowest_ulid
from app.interactions.model import Filters, Item, item_of
from app.interactions.retention import oldest_readable_ms
from app.interactions.service import InteractionService, Span
from app.interactions.store import InteractionStore
from app.tenancy.errors import TenancyError

TOKEN_HEADER = "X-Export-Token"  # noqa: S105 - the name of a header
# Rows of one read. Decoding them keeps other threads from running: a few milliseconds.
BATCH_COUNT = 1_000
# Items of one chunk. Python's other threads run while a chunk is written: every 2 ms or so.
CHUNK_COUNT = 100
Bounded = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class OpenedExport:
    """An export whose first rows are read, and the token with which it can be resumed."""

    chunks: Iterator[list[Item]]
    token: str


class Exports:
    """Opens exports of one account at a time; instants are microseconds of Redis's clock."""

    def __init__(
        self,
        reader: InteractionService,
        tokens: ExportTokens,
        bounded: Bounded,
        note_outage: Callable[[Exception], str],
    ) -> None:
        self._reader = reader
        self._tokens = tokens
        self._bounded = bounded
        self._note_outage = note_outage

    def open_(
        self,
        account: str,
        filters: Filters,
        *,
        after: str | None,
        token: str | None,
        time_us: int,
        account_now_us: Callable[[], int],
    ) -> OpenedExport:
        """Start an export, or with a `token` continue one; read its first rows.

        Without a token it starts at `account_now_us()`, which is later than every turn acknowledged
        so far. Each read is bounded by itself. Raises InvalidFields.
        """
        if token is None:
            _refuse_after(after)
            started_us = account_now_us()
        else:
            started_us = self._started_us(token, account, filters, time_us)
        span = _span(account, filters, time_us, after)
        chunks = _read(self._reader, span, started_us, self._bounded)
        first = next(chunks)  # an outage is still answered by 503
        token = self._tokens.write(started_us, account, filters, time_us)
        return OpenedExport(chain([first], chunks), token)

    def find_reason(self, error: Exception) -> str | None:
        """Return why an opened export cannot continue, and count an outage; None for our faults."""
        if isinstance(error, TenancyError):
            return str(error)
        if isinstance(error, AccountFault):
            return error.reason
        return self._note_outage(error) if is_outage(error) else None

    def _started_us(self, token: str, account: str, filters: Filters, time_us: int) -> int:
        try:
            return self._tokens.read(token, account, filters, time_us)
        except CursorRefused as refused:
            message = f"{refused.reason} Start a new export, without `{TOKEN_HEADER}` and `after`."
            raise InvalidFields([field_error(TOKEN_HEADER, "invalid", message)]) from None


@dataclass(frozen=True, slots=True)
class AccountExport:
    """An export for a command: its rows, and the instant before which they were recorded."""

    span: Span
    started_us: int


class TurnExporter:
    """Reads exports for commands, without the time limits of requests."""

    def __init__(
        self, reader: InteractionService, store: InteractionStore, clock: LedgerClock
    ) -> None:
        self._reader = reader
        self._store = store
        self._clock = clock

    def export_of(
        self, account: str, filters: Filters, quota_period_at: Callable[[int], str]
    ) -> AccountExport:
        """Return the export of all turns that are acknowledged by now.

        `quota_period_at` returns the label of the account's billing period at an instant.
        """
        now_us = self._clock.fresh_now_us()
        newest_us = self._store.newest_recorded_at_us(account, quota_period_at(now_us))
        return AccountExport(_span(account, filters, now_us), max(now_us, newest_us + 1))

    def count(self, export: AccountExport) -> int:
        """Count the rows of an export, also erased ones and those recorded later."""
        span = export.span
        if span.filters.turn_id is not None:
            return 1
        return self._store.count(span.account, span.filters, span.oldest, span.before)

    def read(self, export: AccountExport) -> Iterator[list[Item]]:
        """Yield the items of an export, newest first, a chunk at a time."""
        return _read(self._reader, export.span, export.started_us, nullcontext)


def _span(account: str, filters: Filters, time_us: int, after: str | None = None) -> Span:
    """Return the rows of the 180 days before `time_us`, those after the interaction id `after`."""
    oldest = lowest_ulid(oldest_readable_ms(time_us // 1_000, filters.from_ms))
    last_ulid = find_ulid(after) if after is not None else None
    bounds = [] if last_ulid is None else [last_ulid]
    if filters.to_ms is not None:
        bounds.append(lowest_ulid(filters.to_ms))
    return Span(account, filters, oldest, min(bounds, default=None))


def _read(
    reader: InteractionService, span: Span, started_us: int, bounded: Bounded
) -> Iterator[list[Item]]:
    """Yield the items of a span, newest first, a chunk at a time; a chunk may be short or empty."""
    while True:
        with bounded():
            rows, before = reader.find(span, BATCH_COUNT, started_us)
        # Without rows one empty chunk, so that the stream sees how late it is.
        for first in range(0, max(len(rows), 1), CHUNK_COUNT):
            yield [item_of(row) for row in rows[first : first + CHUNK_COUNT]]
        if before is None:
            return
        span = replace(span, before=before)


def _refuse_after(after: str | None) -> None:
    if after is not None:
        message = (
            f"`{TOKEN_HEADER}` is required with `after`: send the header of the export's answer."
        )
        raise InvalidFields([field_error(TOKEN_HEADER, "required", message)])
