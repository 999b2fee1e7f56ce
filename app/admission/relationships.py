"""Name relationships in Redis: short ids by themselves, long ids by a keyed hash.

A client chooses ids of up to 128 characters, and each active relationship is a field of a hash. The
name of a long id is `~` and 132 bits in base64url: two of a million relationships share a name with
a probability below 1 in 10^27. No id of a client contains `~`.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode

MAX_PLAIN_LENGTH = 32
# Names of the slots that erased relationships keep in a period (ADR 27): in no id of a client.
ERASED_PREFIX = "!"
_PURPOSE = "relationship"
_HASH_BYTES = 18
_HASH_CHARACTERS = 22


class RelationshipNames:
    """Makes names with `ID_KEY`, the one secret that never rotates."""

    def __init__(self, id_key: str) -> None:
        self._key = id_key.encode()

    def of(self, account: str, relationship_id: str) -> tuple[str, str]:
        """Return the name of a relationship, and the name that an earlier release stored it under.

        The second one is empty if both are the same.
        """
        if len(relationship_id) <= MAX_PLAIN_LENGTH:
            return relationship_id, ""
        message = f"{_PURPOSE}\0{account}\0{relationship_id}".encode()
        digest = hmac.digest(self._key, message, hashlib.sha256)[:_HASH_BYTES]
        return f"~{urlsafe_b64encode(digest).decode()[:_HASH_CHARACTERS]}", relationship_id
