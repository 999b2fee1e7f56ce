"""Interaction ids: ULIDs whose random part is derived from the turn that they identify.

The first 48 bits are the instant at which the turn occurred, in milliseconds; the other 80 are
`turn_key`, an HMAC of organization, environment and turn id. So one value gives order, time range
and identity, and the service can verify that an id belongs to a turn.
ULID: https://github.com/ulid/spec
"""

import hashlib
import hmac
import re

from ulid import base32

from app.http.rules import ULID_PATTERN

PREFIX = "int_"
INTERACTION_ID = f"^{PREFIX}{ULID_PATTERN}$"
_ULID = re.compile(ULID_PATTERN, re.ASCII)
_INTERACTION_ID = re.compile(f"{PREFIX}({ULID_PATTERN})", re.ASCII)
_TIME_CHARACTERS = 10
_TIME_BYTES = 6
_KEY_BYTES = 10
_LAST_ULID_MS = 2**48 - 1
# The end of the year 9999, the last that a datetime holds; a ULID may hold later instants.
LAST_DATED_MS = 253_402_300_799_999
_FIRST_KEY = base32.encode_randomness(bytes(_KEY_BYTES))
# From Crockford's alphabet to the digits that `int(…, 32)` reads; bytes translate faster than str.
_TO_BASE_32 = bytes.maketrans(
    b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", b"0123456789abcdefghijklmnopqrstuv"
)


class TurnKeys:
    """Makes turn keys with `ID_KEY`, the one secret that never rotates."""

    def __init__(self, id_key: str) -> None:
        self._key = id_key.encode()

    def ulid(self, account: str, turn_id: str, occurred_at_ms: int) -> str:
        """Return the ULID (26 characters) of the turn `turn_id` of `account` at that instant."""
        message = f"{account}\0{turn_id}".encode()
        digest = hmac.digest(self._key, message, hashlib.sha256)[:_KEY_BYTES]
        time = base32.encode_timestamp(occurred_at_ms.to_bytes(_TIME_BYTES, "big"))
        return time + base32.encode_randomness(digest)

    def turn_key(self, account: str, turn_id: str) -> str:
        """Return the identity of the turn `turn_id` within `account`, whatever its instant."""
        return turn_key(self.ulid(account, turn_id, 0))


def turn_key(ulid: str) -> str:
    """Return the part of a ULID that identifies its turn: 16 characters, 80 bits."""
    return ulid[_TIME_CHARACTERS:]


def instant_ms(ulid: str) -> int:
    """Return the instant of the turn in milliseconds since 1970."""
    return int(ulid[:_TIME_CHARACTERS].encode().translate(_TO_BASE_32), 32)


def find_instant_ms(row_id: object) -> int | None:
    """Return the instant of a row's turn in ms since 1970; None if its id is no ULID."""
    if isinstance(row_id, str) and _ULID.fullmatch(row_id):
        return instant_ms(row_id)
    return None


def lowest_ulid(at_ms: int) -> str:
    """Return the smallest ULID of a millisecond; instants beyond ULID's range are clamped."""
    bounded = min(max(at_ms, 0), _LAST_ULID_MS)
    return base32.encode_timestamp(bounded.to_bytes(_TIME_BYTES, "big")) + _FIRST_KEY


def find_ulid(interaction_id: str) -> str | None:
    """Return the ULID in `int_…`; None if `interaction_id` is malformed."""
    found = _INTERACTION_ID.fullmatch(interaction_id)
    return found[1] if found else None
