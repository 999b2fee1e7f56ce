"""Write refused turns as lines that `flask turns import` reads."""

import json
import os
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from turnledger._core.values import Row
from turnledger.types import Refused

_DIGITS = {digit: value for value, digit in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_PREFIX = "int_"
_INSTANT_DIGITS = 10
_LONGEST_HOLD_MS = 3_600_000


def write_lines(rows: Iterable[Row], file: Path) -> int:
    """Write one recording a line, for its owner alone; return how many.

    The file appears only once it is whole.
    """
    partial = file.with_name(file.name + ".part")
    count = 0
    descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        for row in rows:
            line = line_of(row)
            if line is not None:
                stream.write(line + "\n")
                count += 1
    partial.replace(file)
    return count


def line_of(row: Row) -> str | None:
    """Return the recording; None for a cancel, which is no turn, and for what is no JSON."""
    try:
        turn = json.loads(row.body)
    except ValueError:
        return None
    if not isinstance(turn, dict) or "status" not in turn:
        return None
    # A completion carries no instant: its turn is as old as its reservation.
    turn.setdefault("occurred_at", instant_text(occurred_ms(row)))
    return json.dumps(turn, separators=(",", ":"), allow_nan=False)


def occurred_ms(row: Row) -> int:
    """Return when the turn ran, by its own instant, its reservation, or its row."""
    own = _instant_of(row.body, "occurred_at")
    if own is not None:
        return own
    reserved = reserved_ms(row.interaction_id)
    return row.created_ms if reserved is None else reserved


def _instant_of(body: str, name: str) -> int | None:
    try:
        instant = datetime.fromisoformat(json.loads(body)[name].replace("Z", "+00:00"))
        return int(instant.timestamp() * 1000)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def reserved_ms(interaction_id: str | None) -> int | None:
    """Return the instant that the first 48 bits of a reservation's id hold."""
    if interaction_id is None or not interaction_id.startswith(_PREFIX):
        return None
    digits = interaction_id[len(_PREFIX) :][:_INSTANT_DIGITS]
    if len(digits) < _INSTANT_DIGITS or not _DIGITS.keys() >= set(digits):
        return None
    value = 0
    for digit in digits:
        value = value << 5 | _DIGITS[digit]
    return value


def instant_text(instant_ms: int) -> str:
    """Return the wire's form: UTC with milliseconds and a Z."""
    seconds, milliseconds = divmod(instant_ms, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{milliseconds:03}Z"


def instant_of_hold_end(row: Row) -> int:
    """Return when a reservation has ended by itself: `expires_at` of the body, or the longest."""
    return _instant_of(row.body, "expires_at") or row.created_ms + _LONGEST_HOLD_MS


def refused_of(row: Row, reason: str | None = None) -> Refused:
    """Return the public form of a refused row."""
    return Refused(turn_id=row.turn_id, reason=reason or row.refusal or "", body=row.body)
