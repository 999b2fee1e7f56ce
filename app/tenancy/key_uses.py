"""Store when each API key was last used, off the request's way.

Every process reads a key that is in use again every 2 seconds, and with it the stored instant. If
that is a minute old or older, the next successful request with the key is noted, and a background
thread writes all noted uses in one batch. The update has the same condition. So:

- A key costs at most one write a minute, whatever the number of processes.
- The stored instant is within about a minute of the last use. That of a batch is its newest.
- No request waits for a write or fails with it. A write that fails is logged; the next use that is
  read from MongoDB is noted again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock, Thread

import structlog

from app.tenancy.model import ApiKey

USE_PRECISION = timedelta(minutes=1)
MOST_WAITING = 10_000
_log = structlog.get_logger("turnledger.keys")


def is_use_due(key: ApiKey, now: datetime) -> bool:
    """Return True if a use of the key at `now` should be stored."""
    # An instant far in the future is of a clock that was wrong.
    return key.last_used_at is None or abs(now - key.last_used_at) >= USE_PRECISION


def in_background(work: Callable[[], None]) -> None:
    """Run `work` in a thread that keeps no process alive."""
    Thread(target=work, name="key-uses", daemon=True).start()


class KeyUses:
    """Uses of keys that wait to be written; safe between threads.

    `write` stores the instant of a batch for the ids of its keys. Its thread starts with a use and
    ends with the last one that waits.
    """

    def __init__(
        self,
        write: Callable[[Sequence[str], datetime], object],
        start: Callable[[Callable[[], None]], object] = in_background,
    ) -> None:
        self._write = write
        self._start = start
        self._waiting: dict[str, datetime] = {}
        self._is_writing = False
        self._lock = Lock()

    def note(self, key_id: str, at: datetime) -> None:
        """Have a use written soon; beyond `MOST_WAITING` keys it is dropped."""
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting[key_id] = at
            if self._is_writing:
                return
            self._is_writing = True
        try:
            self._start(self._write_waiting)
        except RuntimeError:  # no thread can start: the next use tries again
            self._is_writing = False

    def _write_waiting(self) -> None:
        while batch := self._take():
            try:
                self._write(list(batch), max(batch.values()))
            except Exception as error:
                failed = {"keys": len(batch), "error": type(error).__name__}
                _log.warning("key_uses_not_written", **failed)

    def _take(self) -> dict[str, datetime]:
        with self._lock:
            batch, self._waiting = self._waiting, {}
            self._is_writing = bool(batch)
            return batch
