"""Cursors of paginated lists: opaque, signed, bound to one list and its owner, good for 24 hours.

A cursor is no credential: it says where a list continues, never what a caller may see. It survives
restarts, worker changes and the rotation of its secret.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from app.http.durations import DAY_US
from app.http.problems import Problem

CURSOR = r"^[A-Za-z0-9._-]{1,512}$"
_LIFETIME_US = DAY_US
# Beside the position: the version, the binding and the instant of writing.
_FIXED_COUNT = 3


class SignedCursors:
    """Writes cursors of one kind of list with the newest secret; reads them with every secret.

    `purpose` and `version` separate the cursors of different lists. A position has `position_count`
    values of JSON.
    """

    def __init__(
        self, secrets: Sequence[str], purpose: str, *, version: int, position_count: int
    ) -> None:
        keys: Any = list(reversed(secrets))  # the library signs with the last of them
        self._signer = Signer(keys, salt=purpose, digest_method=hashlib.sha256)
        self._version = version
        self._position_count = position_count

    def write(self, binding: Sequence[Any], position: Sequence[Any], now_us: int) -> str:
        """Return the cursor as text, valid for 24 hours from `now_us`.

        `binding` names the owner and the filters of the list: only for the same it is read again.
        """
        state = [self._version, _digest(binding), *position, now_us]
        return self._signer.sign(base64_encode(orjson.dumps(state))).decode()

    def read(self, text: str, binding: Sequence[Any], now_us: int) -> list[Any]:
        """Return the position in `text`; an `invalid_cursor` problem unless it is valid here."""
        state = self._state(text)
        if state is None or state[0] != self._version:
            raise _invalid("is damaged")
        _, bound_to, *position, written_us = state
        if bound_to != _digest(binding):
            raise _invalid("was made for other filters or another account")
        if now_us - written_us > _LIFETIME_US:
            raise _invalid("is older than 24 hours")
        return position

    def _state(self, text: str) -> list[Any] | None:
        if not _is_canonical(text):
            return None
        try:
            state: Any = orjson.loads(base64_decode(self._signer.unsign(text)))
        except (BadData, ValueError):
            return None
        is_ours = isinstance(state, list) and len(state) == self._position_count + _FIXED_COUNT
        return state if is_ours else None


def _is_canonical(text: str) -> bool:
    """Base64 has several spellings of the same bytes; only the one we write is ours."""
    signature = text.rpartition(".")[2]
    try:
        return base64_encode(base64_decode(signature)).decode() == signature
    except BadData:
        return False


def _digest(binding: Sequence[Any]) -> str:
    return hashlib.sha256(orjson.dumps(binding)).hexdigest()[:16]


def _invalid(why: str) -> Problem:
    return Problem(
        "invalid_cursor",
        f"The cursor {why}. Start again without a cursor.",
        details=[{"field": "cursor", "code": "invalid", "message": f"The cursor {why}."}],
    )
