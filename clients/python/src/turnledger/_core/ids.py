"""Turn ids: 26 characters that sort by time, as ULIDs do (https://github.com/ulid/spec)."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PREFIX = "int_"
_TIME_LETTERS = 10
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def new_turn_id() -> str:
    """Return a new id; 80 of its bits are random."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def instant_ms(interaction_id: str) -> int | None:
    """Return the instant in an interaction id, in ms since 1970; None if it is malformed."""
    time_part = interaction_id[len(_PREFIX) :][:_TIME_LETTERS]
    is_whole = interaction_id.startswith(_PREFIX) and len(time_part) == _TIME_LETTERS
    if not is_whole or any(letter not in _ALPHABET for letter in time_part):
        return None
    instant = 0
    for letter in time_part:
        instant = instant * 32 + _ALPHABET.index(letter)
    return instant
