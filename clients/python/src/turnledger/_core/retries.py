"""Repeat foreground requests: which failures, how long to wait, and for how long in all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import CircuitOpenError, LedgerUnavailable, RateLimitError, TurnledgerError

RECORD_TRIES = 4
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `tries_count` requests within `budget_s` seconds."""

    budget_s: float
    tries_count: int


def wait_before_retry_s(error: TurnledgerError, tries_count: int, jitter: float) -> float | None:
    """Return the seconds to wait after so many tries; None if the request is not repeated.

    | failure | wait |
    | --- | --- |
    | no answer, 408, 5xx | full jitter: up to 0.1 s, doubling to 2 s; at least `Retry-After` |
    | 429 `rate_limit_exceeded` | `Retry-After` |
    | any other refusal, `quota_exhausted` above all | none: it is not repeated |
    | an open circuit breaker | none |
    """
    if isinstance(error, CircuitOpenError):
        return None
    if isinstance(error, RateLimitError):
        return error.retry_after_s if error.retry_after_s is not None else FIRST_WAIT_S
    if isinstance(error, LedgerUnavailable):
        longest_s = min(FIRST_WAIT_S * 2.0 ** (tries_count - 1), LONGEST_WAIT_S)
        return max(longest_s * jitter, error.retry_after_s or 0.0)
    return None


class Attempts:
    """The tries of one request: says how long each may take, and whether another follows."""

    def __init__(
        self,
        policy: Policy,
        monotonic_s: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._monotonic_s = monotonic_s
        self._jitter = jitter
        self._deadline_s = monotonic_s() + policy.budget_s
        self._tries_count = 0

    def timeout_s(self) -> float:
        """Begin a try; return the seconds it may take."""
        self._tries_count += 1
        left_s = self._deadline_s - self._monotonic_s()
        others_count = self._policy.tries_count - self._tries_count
        # An early try must leave time for another one.
        return max(0.05, left_s / 2 if others_count and self._policy.budget_s <= 1 else left_s)

    def wait_s(self, error: TurnledgerError) -> float | None:
        """Return the seconds to wait before the next try; None if `error` is the result."""
        if self._tries_count >= self._policy.tries_count:
            return None
        wait_s = wait_before_retry_s(error, self._tries_count, self._jitter())
        if wait_s is None or self._monotonic_s() + wait_s >= self._deadline_s:
            return None
        return wait_s
