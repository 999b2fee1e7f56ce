"""What becomes of a turn of the outbox: the rules behind each answer of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    LedgerUnavailable,
    PaymentRequiredError,
    PermissionError,
    QuotaExhaustedError,
    RateLimitError,
    TurnledgerError,
)
from .clock import parse_ms
from .ending import PRODUCER_LOST
from .values import Row, State

OLDEST_MS = 48 * 3_600_000
AHEAD_MS = 5 * 60_000
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
KEY_PAUSE_S = 60.0
_LOST = f'"error_code":"{PRODUCER_LOST}"'


@dataclass(frozen=True, slots=True)
class Delivered:
    """The ledger has the turn, or nothing is left to do for it."""


@dataclass(frozen=True, slots=True)
class RefusedForGood:
    """The turn can never be stored: it is kept with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """Send the turn again, not before `at_ms` (ms since 1970, by this machine's clock)."""

    at_ms: int


Verdict = Delivered | RefusedForGood | Later
DELIVERED = Delivered()


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent for so many seconds; the turns stay."""

    seconds: float


def outage_pause(error: TurnledgerError, failures_count: int, jitter: float) -> Pause:
    """Return the pause after so many requests without an answer, 408 or 5xx.

    It is 0.5 s, doubling to 60 s, half of it at random; at least `Retry-After`.
    """
    longest_s = min(FIRST_PAUSE_S * 2 ** min(failures_count, 10), LONGEST_PAUSE_S)
    return Pause(max(longest_s * (1 + jitter) / 2, error.retry_after_s or 0.0))


def pause_after(error: TurnledgerError) -> Pause | None:
    """Return the pause that a refusal of a whole request asks for; None if it judges the turns.

    | refusal | pause |
    | --- | --- |
    | 401, 402, 403 | 60 s |
    | 429 `rate_limit_exceeded` | `Retry-After` |
    """
    if isinstance(error, (AuthenticationError, PaymentRequiredError, PermissionError)):
        return Pause(KEY_PAUSE_S)
    if isinstance(error, RateLimitError):
        return Pause(error.retry_after_s or 1.0)
    return None


def judge_error(row: Row, error: TurnledgerError, now_ms: int) -> Verdict:
    """Return what becomes of a turn that the ledger rejected.

    | error | verdict |
    | --- | --- |
    | 409 of a turn that was lost with its process | delivered: the ledger knows how it ended |
    | 409 `recorded` | delivered |
    | 409, 400, 404, 413 otherwise | refused |
    | 429 `quota_exhausted` | later, when the quota resets; refused if the turn is too old by then |
    | 5xx of one element | later |
    """
    if isinstance(error, ConflictError):
        is_known = _LOST in row.body or error.reason == "recorded"
        return DELIVERED if is_known else RefusedForGood(f"409 {error.reason or 'conflict'}")
    if isinstance(error, QuotaExhaustedError):
        resets_ms = parse_ms(error.resets_at or "")
        if resets_ms is not None and resets_ms < row.created_ms + OLDEST_MS:
            return Later(max(resets_ms, now_ms + 1_000))
        return RefusedForGood(f"429 quota_exhausted {error.component or ''}".strip())
    if isinstance(error, LedgerUnavailable):
        return Later(now_ms + 1_000)
    if isinstance(error, APIError) and row.state is State.CANCEL:
        return DELIVERED
    return RefusedForGood(_reason(error))


def judge_age(row: Row, occurred_ms: int | None, ledger_now_ms: int) -> Verdict | None:
    """Return the verdict on a turn that the ledger would refuse by its instant; None if it fits."""
    if row.state is not State.RECORD or occurred_ms is None:
        return None
    if occurred_ms > ledger_now_ms + AHEAD_MS:
        return Later(occurred_ms - AHEAD_MS)
    if occurred_ms < ledger_now_ms - OLDEST_MS:
        return RefusedForGood("too_old")
    return None


def _reason(error: TurnledgerError) -> str:
    """Return status, code and the names of wrong fields; never a value."""
    words = [str(error.status or ""), error.code or type(error).__name__]
    if isinstance(error.details, list):
        words += [str(each.get("field")) for each in error.details if isinstance(each, Mapping)]
    return " ".join(word for word in words if word)[:200]


def results_of(body: Any) -> list[Mapping[str, Any]]:
    """Return the results in the answer to a batch."""
    results = body.get("results") if isinstance(body, Mapping) else None
    return list(results) if isinstance(results, list) else []
