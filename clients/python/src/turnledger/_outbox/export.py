"""Write refused turns as lines that `flask turns import` reads."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from .._core.clock import format_ms, parse_ms
from .._core.ids import instant_ms
from .._core.values import Row
from ..types import Refused

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
    turn.setdefault("occurred_at", format_ms(occurred_ms(row)))
    return json.dumps(turn, separators=(",", ":"), allow_nan=False)


def occurred_ms(row: Row) -> int:
    """Return when the turn ran, by its own instant, its reservation, or its row."""
    own = _instant_of(row.body, "occurred_at")
    if own is not None:
        return own
    reserved = instant_ms(row.interaction_id or "")
    return row.created_ms if reserved is None else reserved


def _instant_of(body: str, name: str) -> int | None:
    try:
        return parse_ms(json.loads(body)[name])
    except (ValueError, LookupError, TypeError):
        return None


def instant_of_hold_end(row: Row) -> int:
    """Return when a reservation has ended by itself: `expires_at` of the body, or the longest."""
    return _instant_of(row.body, "expires_at") or row.created_ms + _LONGEST_HOLD_MS


def refused_of(row: Row, reason: str | None = None) -> Refused:
    """Return the public form of a refused row."""
    return Refused(turn_id=row.turn_id, reason=reason or row.refusal or "", body=row.body)
