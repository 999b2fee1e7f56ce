"""Decide when the sender may send again. Durations come from a clock that never jumps."""

import random
from collections.abc import Callable, Mapping

from .._core.values import TURNS_OF_A_TOKEN

_FIRST_BACKOFF_S = 0.5
_MOST_BACKOFF_S = 60.0
_STOP_S = 60.0
# Without a Retry-After that can be read.
_USUAL_WAIT_S = 1.0
# A ledger's bucket is full again within minutes.
_MOST_LIMITED_S = 3_600.0


class Pacing:
    """Keep when the next request may be sent, and how large it may be."""

    def __init__(
        self, monotonic: Callable[[], float], chance: Callable[[], float] = random.random
    ) -> None:
        self._monotonic = monotonic
        self._chance = chance
        self._not_before = 0.0
        self._backoff_s = 0.0
        self._refill_per_s: float | None = None
        self._tokens = 0.0
        self._tokens_at = 0.0
        self.is_held = False

    def wait_s(self) -> float:
        """Return how long nothing may be sent, in seconds."""
        return max(0.0, self._not_before - self._monotonic())

    def most_rows(self, limit: int) -> int:
        """Bound a batch, so that it costs at most half of the bucket."""
        if self._refill_per_s is None:
            return limit
        return max(1, min(limit, int(self._refill_per_s) * TURNS_OF_A_TOKEN))

    def hurry(self) -> None:
        """Try again at once after missing answers; waits that the ledger asked for stay."""
        if self._backoff_s:
            self._not_before = 0.0
            self.is_held = False

    def answered(self, headers: Mapping[str, str]) -> None:
        """Note an answer and its bucket; leave half of the bucket to foreground calls."""
        self._backoff_s = 0.0
        self.is_held = False
        self._read_bucket(headers)
        self._not_before = 0.0

    def leave_half(self, tokens: int) -> None:
        """Wait until `tokens` are there beside half of the bucket, which holds two seconds."""
        if self._refill_per_s is None:
            return
        now = self._monotonic()
        there = self._tokens + (now - self._tokens_at) * self._refill_per_s
        lacking = tokens + self._refill_per_s - there
        if lacking > 0:
            self._not_before = max(self._not_before, now + min(2.0, lacking / self._refill_per_s))

    def limited(self, headers: Mapping[str, str]) -> None:
        """Wait exactly as long as `Retry-After` says, an hour at most."""
        self._backoff_s = 0.0
        self._read_bucket(headers)
        self._hold(min(_MOST_LIMITED_S, _number(headers, "retry-after", _USUAL_WAIT_S)))

    def unanswered(self, headers: Mapping[str, str] | None = None) -> None:
        """Wait half a second, doubling to a minute, half of it by chance."""
        self._backoff_s = min(_MOST_BACKOFF_S, max(_FIRST_BACKOFF_S, self._backoff_s * 2))
        asked_s = min(_MOST_BACKOFF_S, _number(headers or {}, "retry-after", 0.0))
        self._hold(max(asked_s, self._backoff_s * (0.5 + self._chance() / 2)))
        self.is_held = True

    def stopped(self) -> None:
        """Wait a minute: the key or the organization is refused."""
        self._hold(_STOP_S)
        self.is_held = True

    def _hold(self, seconds: float) -> None:
        self._not_before = self._monotonic() + seconds

    def _read_bucket(self, headers: Mapping[str, str]) -> None:
        refill = _number(headers, "x-ratelimit-limit", 0.0)
        if refill >= 1:
            self._refill_per_s = refill
            self._tokens = _number(headers, "x-ratelimit-remaining", 0.0)
            self._tokens_at = self._monotonic()


def _number(headers: Mapping[str, str], name: str, default: float) -> float:
    try:
        return max(0.0, float(headers[name]))
    except (LookupError, ValueError):
        return default
