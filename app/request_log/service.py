"""Find a refused request by its id, or say why none is kept."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.request_log.model import RefusedRequest, find_instant
from app.request_log.store import RequestLogStore

AROUND = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class UnknownRequest:
    """An id without an entry, made at `made_at`.

    `left_out_count` requests of that minute are not kept, and entries are kept for `days`; with 0
    the log is off.
    """

    id: str
    made_at: datetime
    left_out_count: int
    days: int

    @property
    def is_expired(self) -> bool:
        """Return True if an entry of that age is no longer kept."""
        return (datetime.now(UTC) - self.made_at).days >= self.days

    @property
    def reasons(self) -> list[str]:
        """The possible reasons, the certain one alone if there is one."""
        if not self.days:
            return ["REQUEST_LOG_DAYS is 0, so refused requests are not kept"]
        if self.is_expired:
            return [f"entries are kept for {self.days} days (REQUEST_LOG_DAYS)"]
        return [
            "it was answered with a status below 400, or by another service; its log line says so",
            self._left_out_reason,
            "it was answered in the last seconds, or just before its process was killed",
        ]

    @property
    def _left_out_reason(self) -> str:
        if self.left_out_count:
            return (
                f"it is one of {self.left_out_count:,} requests of that minute's flood of refusals"
            )
        return "it is one of a flood of refusals, though none is counted for that minute"


class RequestLog:
    """Reads the log of refused requests, which keeps them for `days`."""

    def __init__(self, store: RequestLogStore, days: int) -> None:
        self._store = store
        self._days = days

    def find(self, request_id: str) -> RefusedRequest | UnknownRequest | None:
        """Return the refused request, or why it is unknown; None if `request_id` is no id."""
        made_at = find_instant(request_id)
        if made_at is None:
            return None
        found = self._store.find(request_id)
        if found is not None:
            return found
        return UnknownRequest(request_id, made_at, self._store.count_left_out(made_at), self._days)

    @property
    def days(self) -> int:
        """The days for which entries are kept; 0 if the log is off."""
        return self._days

    def list_newest(self, at_most: int) -> list[RefusedRequest]:
        """Return the newest refused requests, newest first."""
        return self._store.list_newest(at_most)

    def list_around(self, request: RefusedRequest, at_most: int) -> list[RefusedRequest]:
        """Return refused requests of the same key within `AROUND`, newest first.

        At most `at_most` are before it, and as many after it. Empty for a request without a key.
        """
        if request.key_id is None:
            return []
        return self._store.list_around(request, AROUND, at_most)
