"""Write the entry of each change, and list entries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from ulid import ULID

from app.audit.model import Action, Author, Change, Entry, EntryFilter, EntryPage, Outcome
from app.audit.store import ID_PREFIX, AuditStore, is_outcome_unknown
from app.http.instants import cut_to_ms, utc_now

MAX_LISTED = 10_000
_log = structlog.get_logger("turnledger.audit")


class AuditTrail:
    """Keeps an entry of each change for `retention`."""

    def __init__(
        self, store: AuditStore, retention: timedelta, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._store = store
        self._retention = retention
        self._now = now

    @contextmanager
    def entry(self, change: Change, by: Author | None = None) -> Iterator[None]:
        """Append an entry before the block, which makes the change, and set its outcome after it.

        Without an author the operating system's user is one. If the entry cannot be appended, the
        block does not run.
        """
        author, at = by or Author.of_command(), cut_to_ms(self._now())
        entry_id = f"{ID_PREFIX}{ULID.from_datetime(at)}"
        entry = Entry(entry_id, at, author.who, author.reason, change, Outcome.INTENDED)
        self._store.append(entry, at + self._retention)
        try:
            yield
        except Exception as error:
            if not is_outcome_unknown(error):
                self._set_outcome(entry_id, Outcome.FAILED)
            raise
        self._set_outcome(entry_id, Outcome.DONE)

    def list_(
        self,
        organization_id: str | None = None,
        action: Action | None = None,
        since: datetime | None = None,
        at_most: int = MAX_LISTED,
    ) -> list[Entry]:
        """Return the newest entries, newest first; each filter that is not None must match."""
        filter_ = EntryFilter(organization_id=organization_id, action=action, since=since)
        return self._store.list_(filter_, at_most=at_most)

    def page(self, filter_: EntryFilter, before_id: str | None, at_most: int) -> EntryPage:
        """Return the newest entries that match, with ids before `before_id`."""
        found = self._store.list_(filter_, before_id=before_id, at_most=at_most + 1)
        total = self._store.count(filter_)
        return EntryPage(found[:at_most], total, len(found) > at_most)

    def find_newest(self, filter_: EntryFilter) -> Entry | None:
        """Return the newest entry that matches; None without one."""
        return next(iter(self._store.list_(filter_, at_most=1)), None)

    def _set_outcome(self, entry_id: str, outcome: Outcome) -> None:
        """Set an outcome if possible: an error would deny the change, which is made."""
        try:
            self._store.set_outcome(entry_id, outcome)
        except Exception as error:
            failed = {"entry": entry_id, "outcome": outcome.value, "error": type(error).__name__}
            _log.warning("audit_outcome_not_set", **failed)
