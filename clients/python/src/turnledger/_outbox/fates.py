"""Decide from the ledger's answer what becomes of a row, and of a whole request.

Nothing here waits or sends. The tables are those of the clients' shared retry rules.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .._core.answers import STATUS_OF_CODE
from .._core.clock import parse_date_ms, parse_ms
from .._core.values import Answer, Row, State
from .export import occurred_ms

# The ledger takes turns that are at most so old.
OLDEST_MS = 48 * 3_600_000
_AGAIN_MS = 60_000


class Kind(Enum):
    """Name what becomes of a row."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    POSTPONED = "postponed"
    LOOK_UP = "look up"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Fate:
    """Say what becomes of a row: `reason` of a refusal, `due_ms` of a wait."""

    kind: Kind
    reason: str = ""
    due_ms: int = 0


DELIVERED, LOOK_UP, KEPT = Fate(Kind.DELIVERED), Fate(Kind.LOOK_UP), Fate(Kind.KEPT)


class Reaction(Enum):
    """Name what a whole answer asks of the sender."""

    ACCEPTED = "accepted"
    UNAVAILABLE = "unavailable"
    LIMITED = "limited"
    STOPPED = "stopped"
    TOO_LARGE = "too large"
    MISSING = "missing"
    REJECTED = "rejected"


_STATUSES = {
    401: Reaction.STOPPED,
    402: Reaction.STOPPED,
    403: Reaction.STOPPED,
    404: Reaction.MISSING,
    405: Reaction.MISSING,
    408: Reaction.UNAVAILABLE,
    413: Reaction.TOO_LARGE,
}


def reaction_to(answer: Answer) -> Reaction:
    """Return what the answer asks for; a page of a proxy is no answer of the ledger."""
    if 200 <= answer.status < 300:
        return Reaction.ACCEPTED
    if answer.status in _STATUSES:
        return _STATUSES[answer.status]
    error = error_of(answer)
    if answer.status == 429:
        return Reaction.REJECTED if _code(error) == "quota_exhausted" else Reaction.LIMITED
    is_final = 400 <= answer.status < 500 and error is not None
    return Reaction.REJECTED if is_final else Reaction.UNAVAILABLE


def error_of(answer: Answer) -> Mapping[str, Any] | None:
    """Return the error of the ledger's envelope; None if the body is something else."""
    error = _object(json_of(answer)).get("error")
    return error if isinstance(error, dict) else None


def results_of(answer: Answer) -> list[Any]:
    """Return the results of a batch; none if the body is something else."""
    results = object_of(answer).get("results")
    return results if isinstance(results, list) else []


def json_of(answer: Answer) -> Any:
    """Return the parsed body; None if it is no JSON."""
    return _parsed(answer.body)


def object_of(answer: Answer) -> Mapping[str, Any]:
    """Return the parsed body; an empty object if it is something else."""
    return _object(json_of(answer))


def server_ms(answer: Answer) -> int | None:
    """Return the ledger's clock, from `Date`; None without a readable one."""
    return parse_date_ms(answer.headers.get("date", ""))


def fate_of_result(row: Row, result: Any, now_ms: int, ledger_ms: int | None) -> Fate:
    """Return the fate of one turn of a batch."""
    found = _object(result)
    status = found.get("status")
    if status in {"created", "duplicate"}:
        return DELIVERED
    error = found.get("error")
    if status != "rejected" or not isinstance(error, dict):
        return KEPT
    return fate_of_error(row, _STATUS_OF.get(_code(error), 400), error, now_ms, ledger_ms)


_STATUS_OF = {**STATUS_OF_CODE, "payload_too_large": 413, "permission_denied": 403}


def fate_of_error(
    row: Row, status: int, error: Mapping[str, Any], now_ms: int, ledger_ms: int | None
) -> Fate:
    """Return the fate of one turn that the ledger did not take."""
    code = _code(error)
    if code == "quota_exhausted":
        return _fate_without_quota(row, error, now_ms)
    if status == 409:
        return _fate_in_conflict(row, error)
    if row.state is State.CANCEL and status == 404:
        return DELIVERED
    if status == 429 or status >= 500:
        return KEPT
    field = _first_field(error)
    if field == "occurred_at" and ledger_ms is not None and occurred_ms(row) > ledger_ms:
        # This host's clock is ahead: the turn is taken once the ledger's clock has reached it.
        return Fate(Kind.POSTPONED, due_ms=now_ms + _AGAIN_MS)
    return Fate(Kind.REFUSED, f"{status} {code} {field}".strip())


def _fate_in_conflict(row: Row, error: Mapping[str, Any]) -> Fate:
    reason = _object(error.get("details")).get("reason")
    if reason == "recorded" or row.state is State.CANCEL:
        return DELIVERED
    return Fate(Kind.REFUSED, f"409 {reason}") if isinstance(reason, str) else LOOK_UP


def _fate_without_quota(row: Row, error: Mapping[str, Any], now_ms: int) -> Fate:
    details = _object(error.get("details"))
    until_ms = parse_ms(details.get("held_until")) or parse_ms(details.get("resets_at"))
    if until_ms is None or until_ms > occurred_ms(row) + OLDEST_MS:
        return Fate(Kind.REFUSED, "429 quota_exhausted")
    # A reset that has passed already may be this clock's mistake.
    return Fate(Kind.POSTPONED, due_ms=max(until_ms, now_ms + 1_000))


def is_same_turn(body: str, item: Mapping[str, Any]) -> bool:
    """Return True if a stored turn has all that `body` says about it."""
    turn = _object(_parsed(body))
    named = {name: value for name, value in turn.items() if name in _COMPARED and value is not None}
    if any(_rounded(value) != _rounded(item.get(name)) for name, value in named.items()):
        return False
    usage, stored = _object(turn.get("usage")), _object(item.get("usage"))
    return all(stored.get(name) == value for name, value in usage.items() if value is not None)


_COMPARED = frozenset(
    {
        "mode",
        "status",
        "user_id",
        "relationship_id",
        "personality_id",
        "latency_ms",
        "time_to_first_token_ms",
        "error_code",
    }
)


def _rounded(value: Any) -> Any:
    return int(value + 0.5) if isinstance(value, float) else value


def _first_field(error: Mapping[str, Any]) -> str:
    details = error.get("details")
    if isinstance(details, list) and details:
        return str(_object(details[0]).get("field", ""))
    return ""


def _code(error: Mapping[str, Any] | None) -> str:
    return str((error or {}).get("code", ""))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _parsed(content: str | bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
