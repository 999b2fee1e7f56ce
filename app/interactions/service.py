"""Reading turn traces: pages, walks, and one by its id."""

from dataclasses import dataclass

from app.http.problems import Problem
from app.interactions.cursor import Cursor, Cursors
from app.interactions.ids import find_ulid, first_ulid
from app.interactions.model import Document, Filters, Item, Page, item_of
from app.interactions.store import InteractionStore

RETENTION_MS = 180 * 86_400_000
_MOST_SCANS = 3


@dataclass(frozen=True, slots=True)
class _Scanned:
    """Rows fit to show, and where scanning stopped; `is_end` when nothing lies beyond."""

    rows: list[Document]
    last_ulid: str | None
    is_end: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """What a page is taken from: `first <= id < before`."""

    account: str
    filters: Filters
    first: str
    before: str | None


class InteractionService:
    """Answers for one account at a time; instants are microseconds on Redis's clock."""

    def __init__(self, store: InteractionStore, cursors: Cursors) -> None:
        self._store = store
        self._cursors = cursors

    def get_(self, account: str, interaction_id: str, now_us: int) -> Item:
        """The trace with this id.

        A `not_found` problem if it is unknown, another account's, or older than 180 days: all
        alike.
        """
        ulid = find_ulid(interaction_id)
        if ulid is not None and ulid >= _first_shown(now_us, None):
            row = self._store.find(account, ulid)
            if row is not None:
                return item_of(row)
        raise Problem("not_found", "There is no such interaction.")

    def list_(
        self, account: str, filters: Filters, limit: int, cursor_text: str | None, now_us: int
    ) -> Page:
        """At most `limit` traces of the trailing 180 days, newest first.

        A walk along the cursors sees every turn acknowledged before it started exactly once, and
        none recorded after it. A page may be short while turns arrive; only a page without a
        cursor is the last. Raises `invalid_cursor`.
        """
        cursor = None
        if cursor_text is not None:
            cursor = self._cursors.read(cursor_text, account, filters, now_us)
        walk_started_us = cursor.walk_started_us if cursor else now_us
        span = _Span(
            account,
            filters,
            _first_shown(now_us, filters.from_ms),
            _last_shown(filters.to_ms, cursor),
        )
        scanned = self._scan(span, limit, walk_started_us)
        shown = scanned.rows[:limit]
        last_ulid = shown[-1]["_id"] if len(scanned.rows) > limit else scanned.last_ulid
        following = None
        if last_ulid is not None and (len(scanned.rows) > limit or not scanned.is_end):
            following = self._cursors.write(
                Cursor(last_ulid, walk_started_us), account, filters, now_us
            )
        return Page([item_of(row) for row in shown], following)

    def _scan(self, span: _Span, limit: int, walk_started_us: int) -> _Scanned:
        """One row more than `limit` if there are so many.

        Rows recorded after the walk started are dropped here and not by the database, so that a
        page's cost is bounded whatever arrives; a few more scans make up for them.
        """
        before = span.before
        rows: list[Document] = []
        for _ in range(_MOST_SCANS):
            if before is not None and before <= span.first:
                return _Scanned(rows, before, is_end=True)
            wanted = limit + 1 - len(rows)
            found = self._store.scan(span.account, span.filters, span.first, before, wanted)
            rows += [row for row in found if row["recorded_at"] < walk_started_us]
            if len(found) < wanted:
                return _Scanned(rows, before, is_end=True)
            before = found[-1]["_id"]
            if len(rows) > limit:
                break
        return _Scanned(rows, before, is_end=False)


def _first_shown(now_us: int, from_ms: int | None) -> str:
    """The smallest id that may be shown: the clamp holds whatever is still stored."""
    oldest_ms = now_us // 1000 - RETENTION_MS
    return first_ulid(oldest_ms if from_ms is None else max(from_ms, oldest_ms))


def _last_shown(to_ms: int | None, cursor: Cursor | None) -> str | None:
    """The id before which a page's rows must lie, if there is such a bound."""
    bounds = [cursor.last_ulid] if cursor else []
    if to_ms is not None:
        bounds.append(first_ulid(to_ms))
    return min(bounds, default=None)
