"""Collect refused requests in memory and write them in batches."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

import structlog
from prometheus_client import Counter as Metric

from app.backends.outages import OUTAGES, as_outages
from app.backends.reasons import reason_of
from app.http.problems import is_error
from app.observability.answer import Answer
from app.observability.flusher import Flusher
from app.request_log.model import RefusedRequest
from app.request_log.store import RequestLogStore

# In a batch, which is 2 seconds, and in a window: of all organizations together, and of each.
MOST_ENTRIES, MOST_OF_ORGANIZATION = 100, 20
WINDOW = timedelta(minutes=10)
MOST_ENTRIES_OF_WINDOW, MOST_OF_ORGANIZATION_OF_WINDOW = 1_500, 300
# Batches that wait while MongoDB is unavailable; a batch is written every 2 seconds.
MOST_BATCHES = 30

_log = structlog.get_logger("turnledger.request_log")
ENTRIES = Metric(
    "turnledger_request_log_entries",
    "Refused requests by the end of their log entry: written, left_out (one of a flood, counted by "
    "minute instead) or lost (the database was unavailable for a minute).",
    ["outcome"],
)


@dataclass(slots=True)
class _Allowance:
    """How many entries may be kept, of all organizations together and of each.

    Requests without a key count as of one organization. No more names than entries are kept.
    """

    most: int
    most_of_organization: int
    kept_count: int = 0
    counts: Counter[str | None] = field(default_factory=Counter)

    def has_room(self, organization: str | None) -> bool:
        """Return True if one more entry of this organization may be kept."""
        return self.kept_count < self.most and self.counts[organization] < self.most_of_organization

    def take(self, organization: str | None) -> None:
        """Count an entry that is kept."""
        self.kept_count += 1
        self.counts[organization] += 1


@dataclass(slots=True)
class _Batch:
    """The refused requests of 2 seconds: the entries to write, and how many are left out."""

    entries: list[RefusedRequest] = field(default_factory=list)
    left_out_count: int = 0
    left_out_at: datetime | None = None
    allowance: _Allowance = field(
        default_factory=lambda: _Allowance(MOST_ENTRIES, MOST_OF_ORGANIZATION)
    )


class _Window(_Allowance):
    """The allowance of one window, which bounds what a flood of days stores."""

    def __init__(self, now: datetime) -> None:
        super().__init__(MOST_ENTRIES_OF_WINDOW, MOST_OF_ORGANIZATION_OF_WINDOW)
        self.began_at = now

    def holds(self, now: datetime) -> bool:
        """Return True unless the window is over, or a clock was set back."""
        return self.began_at <= now < self.began_at + WINDOW


class RequestRecorder:
    """Keeps refused requests for `lifetime`. Safe between threads.

    `require_store` raises while MongoDB's circuit breaker is open.
    """

    def __init__(
        self,
        store: RequestLogStore,
        lifetime: timedelta,
        *,
        require_store: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        make_flusher: Callable[[str, Callable[[], bool]], Flusher] = Flusher,
    ) -> None:
        self._store = store
        self._lifetime = lifetime
        self._require_store = require_store
        self._now = now
        self._lock, self._writing = Lock(), Lock()
        self._current = _Batch()
        self._window = _Window(now())
        self._waiting: list[_Batch] = []
        self._flusher = make_flusher("request_log", self.flush)

    def note(self, answer: Answer) -> None:
        """Keep `answer` if it is a refusal by the API; nothing is written yet."""
        if not is_error(answer.status) or answer.is_of_console:
            return
        with self._lock:
            self._add(answer, self._now())
        self._flusher.wake()

    def flush(self) -> bool:
        """Write what was collected; return True if it must wait for MongoDB."""
        with self._writing:
            return self._flush()

    def _add(self, answer: Answer, now: datetime) -> None:
        """Keep a refused request, or count it as left out."""
        if not self._window.holds(now):
            self._window = _Window(now)
        batch, owner = self._current, answer.organization
        if not (batch.allowance.has_room(owner) and self._window.has_room(owner)):
            batch.left_out_count += 1
            batch.left_out_at = batch.left_out_at or now
            return
        for each in (batch.allowance, self._window):
            each.take(owner)
        batch.entries.append(_entry(answer, now))

    def _flush(self) -> bool:
        with self._lock:
            batch, self._current = self._current, _Batch()
        if batch.entries or batch.left_out_at:
            self._waiting.append(batch)
        for lost in self._waiting[:-MOST_BATCHES]:
            _count("lost", len(lost.entries))
        self._waiting = self._waiting[-MOST_BATCHES:]
        try:
            with as_outages():
                if self._waiting:
                    self._require_store()
                self._write_all()
        except OUTAGES:
            return True
        except Exception as error:
            self._give_up(error)
        return False

    def _write_all(self) -> None:
        while self._waiting:
            batch, now = self._waiting[0], self._now()
            expires_at = now + self._lifetime
            if batch.entries:
                self._store.write(batch.entries, expires_at)
            del self._waiting[0]
            _count("written", len(batch.entries))
            if batch.left_out_at:
                _count("left_out", batch.left_out_count)
                self._store.add_left_out(batch.left_out_at, batch.left_out_count, expires_at)

    def _give_up(self, error: Exception) -> None:
        """Drop what cannot be written for another reason than an outage."""
        lost: Sequence[_Batch] = self._waiting
        self._waiting = []
        _count("lost", sum(len(batch.entries) for batch in lost))
        with suppress(OSError):
            _log.error(
                "request_log_not_written", error=type(error).__name__, reason=reason_of(error)
            )


def _entry(answer: Answer, at: datetime) -> RefusedRequest:
    return RefusedRequest(
        id=answer.request_id,
        at=at,
        organization_id=answer.organization,
        key_id=answer.key_id,
        method=answer.method,
        route=answer.route,
        status=answer.status,
        error_code=answer.error_code,
        fields=answer.fields,
        retry_after_s=answer.retry_after_s,
        duration_ms=round(answer.duration_ms, 3),
    )


def _count(outcome: str, count: int) -> None:
    with suppress(OSError, IndexError):  # no file for the metric
        ENTRIES.labels(outcome).inc(count)
