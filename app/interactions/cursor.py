"""Where a walk goes on: opaque, signed, bound to one account and its filters.

A cursor is no credential: it says where to go on, never what may be seen. It survives restarts,
worker changes and the rotation of its secret.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from app.http.problems import Problem
from app.interactions.model import Filters

_VERSION = 2
_LIFETIME_US = 24 * 3_600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last id that a page has shown, and the instant at which its walk started."""

    last_ulid: str
    walk_started_us: int


class Cursors:
    """Writes cursors with the newest secret and reads those of every secret still accepted."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        keys: Any = list(reversed(secrets))  # the library signs with the last of them
        self._signer = Signer(
            keys, salt="turnledger.interactions.cursor", digest_method=hashlib.sha256
        )

    def write(self, cursor: Cursor, account: str, filters: Filters, now_us: int) -> str:
        """The cursor as text, good for 24 hours from `now_us` (Redis's clock)."""
        binding = _binding(account, filters)
        state = [_VERSION, binding, cursor.last_ulid, cursor.walk_started_us, now_us]
        return self._signer.sign(base64_encode(orjson.dumps(state))).decode()

    def read(self, text: str, account: str, filters: Filters, now_us: int) -> Cursor:
        """The cursor in `text`; an `invalid_cursor` problem unless it was made for just this."""
        state = self._state(text)
        if state is None or state[0] != _VERSION:
            raise _invalid("is damaged")
        _, binding, last_ulid, walk_started_us, written_us = state
        if binding != _binding(account, filters):
            raise _invalid("was made for other filters or another account")
        if now_us - written_us > _LIFETIME_US:
            raise _invalid("is older than 24 hours")
        return Cursor(last_ulid, walk_started_us)

    def _state(self, text: str) -> tuple[int, str, str, int, int] | None:
        if not _is_canonical(text):
            return None
        try:
            state: Any = orjson.loads(base64_decode(self._signer.unsign(text)))
            version, binding, last_ulid, walk_started_us, written_us = state
        except (BadData, TypeError, ValueError):
            return None
        return version, binding, last_ulid, walk_started_us, written_us


def _is_canonical(text: str) -> bool:
    """Base64 has several spellings of the same bytes; only the one we write is ours."""
    signature = text.rpartition(".")[2]
    try:
        return base64_encode(base64_decode(signature)).decode() == signature
    except BadData:
        return False


def _binding(account: str, filters: Filters) -> str:
    parts = [account, filters.user_id, filters.relationship_id, filters.from_ms, filters.to_ms]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:16]


def _invalid(why: str) -> Problem:
    return Problem(
        "invalid_cursor",
        f"The cursor {why}. Start the walk again without a cursor.",
        details=[{"field": "cursor", "code": "invalid", "message": f"The cursor {why}."}],
    )
