"""Read turn traces: one by its id, or page by page as a listing."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from app.interactions.cursor import Cursor, Cursors
from app.interactions.errors import TurnNotFound
from app.interactions.ids import TurnKeys, find_ulid, lowest_ulid
from app.interactions.model import Document, Filters, Item, Page, is_erased, item_of
from app.interactions.retention import oldest_readable_ms
from app.interactions.store import InteractionStore

_MAX_SCANS = 3


@dataclass(frozen=True, slots=True)
class Span:
    """The rows that a page or an export is taken from: `oldest <= id < before`, and the filters."""

    account: str
    filters: Filters
    oldest: str
    before: str | None


class InteractionService:
    """Reads turns of one account at a time; instants are microseconds of Redis's clock."""

    def __init__(self, store: InteractionStore, cursors: Cursors, turn_keys: TurnKeys) -> None:
        self._store = store
        self._cursors = cursors
        self._turn_keys = turn_keys

    def get_(self, account: str, interaction_id: str, time_us: int) -> Item:
        """Return the trace with this id.

        Raises the same TurnNotFound if it is unknown, another account's, erased, or older than 180
        days.
        """
        ulid = find_ulid(interaction_id)
        if ulid is not None and ulid >= lowest_ulid(oldest_readable_ms(time_us // 1_000)):
            row = self._store.find(account, ulid)
            if row is not None:
                return item_of(row)
        raise TurnNotFound

    def list_(
        self,
        account: str,
        filters: Filters,
        limit: int,
        cursor_text: str | None,
        *,
        time_us: int,
        account_now_us: Callable[[], int],
    ) -> Page:
        """Return at most `limit` traces of the 180 days before `time_us`, newest first.

        A cursor holds the start of its listing. Without one this is the first page of a listing
        that starts now: at `account_now_us()`, which is later than every turn acknowledged so far.
        The pages of a listing show each turn acknowledged before its start exactly once, and no
        turn recorded later.

        A page may hold fewer than `limit` traces while turns arrive, where turns are erased, and
        where few turns meet `filters.conditions`. Only the last page has no cursor. Raises
        CursorRefused.
        """
        cursor = None
        if cursor_text is not None:
            cursor = self._cursors.read(cursor_text, account, filters, time_us)
        listing_started_us = cursor.listing_started_us if cursor else account_now_us()
        oldest = lowest_ulid(oldest_readable_ms(time_us // 1_000, filters.from_ms))
        span = Span(account, filters, oldest, _before(filters.to_ms, cursor))
        rows, resume = self.find(span, limit + 1, listing_started_us)
        if len(rows) > limit:
            rows = rows[:limit]
            resume = rows[-1]["_id"]
        following = None
        if resume is not None:
            cursor = Cursor(resume, listing_started_us)
            following = self._cursors.write(cursor, account, filters, time_us)
        return Page([item_of(row) for row in rows], following)

    def find(
        self, span: Span, wanted: int, listing_started_us: int
    ) -> tuple[list[Document], str | None]:
        """Return at most `wanted` rows, and the id before which to continue (None at the end).

        There may be fewer rows before the end. They are found by the cheapest way that the filters
        allow.
        """
        filters = span.filters
        if filters.turn_id is not None:
            key = self._turn_keys.turn_key(span.account, filters.turn_id)
            found = self._store.find_turn(span.account, key, filters, span.oldest, span.before)
            return [row for row in found if _is_listed(row, listing_started_us)], None
        if not filters.conditions:
            return self._scan(span, wanted, listing_started_us)
        return self._search(span, wanted, listing_started_us)

    def _search(
        self, span: Span, wanted: int, listing_started_us: int
    ) -> tuple[list[Document], str | None]:
        """Return rows as `_scan`, from the newest `SEARCHED_COUNT` rows of the span only.

        Few rows may meet the conditions. Without this bound the database would search for them
        through the whole span.
        """
        boundary = self._store.find_boundary(span.account, span.filters, span.oldest, span.before)
        if boundary is None:
            return self._scan(span, wanted, listing_started_us)
        searched = replace(span, oldest=boundary)
        rows, resume = self._scan(searched, wanted, listing_started_us)
        return rows, resume or boundary

    def _scan(
        self, span: Span, wanted: int, listing_started_us: int
    ) -> tuple[list[Document], str | None]:
        """Return at most `wanted` rows, and the id before which to continue (None at the end).

        Erased rows, and rows recorded after the listing started, are dropped here. As a condition
        of the query they would cost the database an unbounded search: it would pass over them until
        the page is full, however many there are. Here up to two more scans replace them, and a page
        that is still too short has a cursor.
        """
        before = span.before
        rows: list[Document] = []
        for _ in range(_MAX_SCANS):
            if before is not None and before <= span.oldest:
                return rows, None
            count = wanted - len(rows)
            found = self._store.scan(span.account, span.filters, span.oldest, before, count)
            rows += [row for row in found if _is_listed(row, listing_started_us)]
            if len(found) < count:
                return rows, None
            before = found[-1]["_id"]
            if len(rows) == wanted:
                break
        return rows, before


def _is_listed(row: Document, listing_started_us: int) -> bool:
    """Return True if a row is not erased and was recorded before the listing started.

    A row without a usable instant is of an earlier release, so it was.
    """
    if is_erased(row):
        return False
    try:
        return bool(row["recorded_at"] < listing_started_us)
    except (KeyError, TypeError):
        return True


def _before(to_ms: int | None, cursor: Cursor | None) -> str | None:
    """Return the id before which a page's rows must lie; None without such a bound."""
    bounds = [cursor.last_ulid] if cursor else []
    if to_ms is not None:
        bounds.append(lowest_ulid(to_ms))
    return min(bounds, default=None)
