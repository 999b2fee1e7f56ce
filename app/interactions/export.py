"""Export turns: the whole of a filtered list, read in batches and sent as one stream.

An export is a range of ids and an instant, like a listing. Its rows are read by ranges of ids, so
nothing stays open in MongoDB between two batches. An export that was cut goes on after the last id
that arrived: its token holds the instant, so the rest is that of the same set.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain

from app.admission.clock import LedgerClock
from app.backends.outages import is_outage
from app.http.request_errors import CursorRefused, InvalidFields, field_error
from app.interactions.cursor import ExportTokens
from app.interactions.ids import find_ulid, lowest_ulid
from app.interactions.model import Filters, Item, item_of
from app.interactions.retention import oldest_readable_ms
from app.interactions.service import is_listed
from app.interactions.store import InteractionStore

TOKEN_HEADER = "X-Export-Token"  # noqa: S105 - the name of a header
# Decoding a batch keeps other threads of the process from running: a few milliseconds.
BATCH_COUNT = 1_000


@dataclass(frozen=True, slots=True)
class Export:
    """The rows of an export: `oldest <= id < before`, the filters, recorded before the start."""

    account: str
    filters: Filters
    oldest: str
    before: str | None
    started_us: int

    @classmethod
    def of(
        cls,
        account: str,
        filters: Filters,
        *,
        time_us: int,
        started_us: int,
        after: str | None = None,
    ) -> "Export":
        """Return the export of the 180 days before `time_us`, after the interaction id `after`."""
        oldest = lowest_ulid(oldest_readable_ms(time_us // 1_000, filters.from_ms))
        bounds = [lowest_ulid(filters.to_ms)] if filters.to_ms is not None else []
        last_ulid = find_ulid(after) if after is not None else None
        if last_ulid is not None:
            bounds.append(last_ulid)
        return cls(account, filters, oldest, min(bounds, default=None), started_us)


@dataclass(frozen=True, slots=True)
class OpenedExport:
    """An export whose first batch is read, and the token with which it can be resumed."""

    batches: Iterator[list[Item]]
    token: str


class Exports:
    """Opens exports of one account at a time; instants are microseconds of Redis's clock."""

    def __init__(
        self,
        store: InteractionStore,
        tokens: ExportTokens,
        bounded: Callable[[], AbstractContextManager[object]],
        note_outage: Callable[[Exception], str],
    ) -> None:
        self._store = store
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
        """Start an export, or with a `token` continue one; read its first batch.

        Without a token it starts at `account_now_us()`, which is later than every turn acknowledged
        so far. Each read of a batch is bounded by itself. Raises InvalidFields.
        """
        if token is None:
            _refuse_after(after)
            started_us = account_now_us()
        else:
            started_us = self._started_us(token, account, filters, time_us)
        export = Export.of(account, filters, time_us=time_us, started_us=started_us, after=after)
        batches = read_batches(self._store, export, self._bounded)
        first = next(batches)  # an outage is a 503 yet
        token = self._tokens.write(started_us, account, filters, time_us)
        return OpenedExport(chain([first], batches), token)

    def note_outage(self, error: Exception) -> str | None:
        """Count an outage that an opened export met and return its reason; None if it is none."""
        return self._note_outage(error) if is_outage(error) else None

    def _started_us(self, token: str, account: str, filters: Filters, time_us: int) -> int:
        try:
            return self._tokens.read(token, account, filters, time_us)
        except CursorRefused as refused:
            message = f"{refused.reason} Start a new export, without `{TOKEN_HEADER}` and `after`."
            raise InvalidFields([field_error(TOKEN_HEADER, "invalid", message)]) from None


def read_batches(
    store: InteractionStore, export: Export, bounded: Callable[[], AbstractContextManager[object]]
) -> Iterator[list[Item]]:
    """Yield the items of an export, newest first, in batches; there is at least one batch.

    A batch may be short or empty: rows that are erased, or recorded later, are left out.
    """
    before = export.before
    while before is None or before > export.oldest:
        with bounded():
            found = store.scan(export.account, export.filters, export.oldest, before, BATCH_COUNT)
        yield [item_of(row) for row in found if is_listed(row, export.started_us)]
        if len(found) < BATCH_COUNT:
            return
        before = found[-1]["_id"]
    yield []


def _refuse_after(after: str | None) -> None:
    if after is not None:
        message = (
            f"`{TOKEN_HEADER}` is required with `after`: send the header of the export's answer."
        )
        raise InvalidFields([field_error(TOKEN_HEADER, "required", message)])


class TurnExporter:
    """Reads exports for commands, without the time limits of requests."""

    def __init__(self, store: InteractionStore, clock: LedgerClock) -> None:
        self._store = store
        self._clock = clock

    def export_of(
        self, account: str, filters: Filters, quota_period_at: Callable[[int], str]
    ) -> Export:
        """Return the export of all turns that were acknowledged before now.

        `quota_period_at` returns the label of the account's billing period at an instant.
        """
        now_us = self._clock.fresh_now_us()
        newest_us = self._store.newest_recorded_at_us(account, quota_period_at(now_us))
        started_us = max(now_us, newest_us + 1)
        return Export.of(account, filters, time_us=now_us, started_us=started_us)

    def count(self, export: Export) -> int:
        """Count the rows of an export, also erased ones and those recorded later."""
        return self._store.count(export.account, export.filters, export.oldest, export.before)

    def read(self, export: Export) -> Iterator[list[Item]]:
        """Yield the items of an export, newest first, in batches."""
        return read_batches(self._store, export, nullcontext)
