"""Sign and verify cursors of paginated lists: opaque, bound to a list and its owner, for 24 hours.

A cursor is no credential: it says where a list continues, never what a caller may see. It stays
valid after restarts, with other workers and while its secret is rotated.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from app.http.durations import DAY_US
from app.http.request_errors import CursorRefused

CURSOR = r"^[A-Za-z0-9._-]{1,512}$"
_LIFETIME_US = DAY_US
_UNREADABLE = "The {} is damaged, or signed with a secret that is no longer used."
# 64 bits. More would only lengthen URLs: the digest is signed, and guards against a mix-up of
# filters. No permission depends on it.
_DIGEST_HEX = 16
# Beside the position: the version, the binding and the instant of writing.
_FIXED_COUNT = 3


class SignedCursors:
    """Writes and reads cursors of one list. Of `secrets` the first signs, all verify.

    To rotate a secret, follow docs/operate/secrets.md.

    * `purpose` separates lists: a cursor of one list is refused by another.
    * `version` separates formats of one list. Raise it when the values of a position get another
      number, order or meaning.
    * A position has `position_count` values of JSON.
    * `name` is what refusals call the text.

    A change of `purpose`, `version` or the binding refuses all live cursors at the deploy. Clients
    then begin their listings again.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        purpose: str,
        *,
        version: int,
        position_count: int,
        name: str = "cursor",
    ) -> None:
        keys: Any = list(reversed(secrets))  # the library signs with the last of them
        self._signer = Signer(keys, salt=purpose, digest_method=hashlib.sha256)
        self._version = version
        self._position_count = position_count
        self._name = name

    def write(self, binding: Sequence[Any], position: Sequence[Any], now_us: int) -> str:
        """Return the cursor as text, valid for 24 hours from `now_us`.

        `binding` names the owner and the filters of the list; `read` needs the same.
        """
        state = [self._version, _digest(binding), *position, now_us]
        return self._signer.sign(base64_encode(orjson.dumps(state))).decode()

    def read(self, text: str, binding: Sequence[Any], now_us: int) -> list[Any]:
        """Return the position in `text`; CursorRefused unless it is valid here."""
        state = self._state(text)
        if state is None or state[0] != self._version:
            raise CursorRefused(_UNREADABLE.format(self._name))
        _, bound_to, *position, written_us = state
        if bound_to != _digest(binding):
            raise CursorRefused(f"The {self._name} was made for other filters or another account.")
        if now_us - written_us > _LIFETIME_US:
            raise CursorRefused(f"The {self._name} is older than 24 hours.")
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
    """Return True if the signature is spelled as we write it.

    The last character of its base64 has two unused bits, so four texts decode to the same bytes. A
    cursor with any character changed must be refused. The payload is signed as text, so it has one
    spelling already.
    """
    signature = text.rpartition(".")[2]
    try:
        return base64_encode(base64_decode(signature)).decode() == signature
    except BadData:
        return False


def _digest(binding: Sequence[Any]) -> str:
    return hashlib.sha256(orjson.dumps(binding)).hexdigest()[:_DIGEST_HEX]
