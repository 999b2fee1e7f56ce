"""Find an API key by what an operator has of it: its id, its text, or its hint."""

import re
from collections.abc import Sequence

from app.tenancy import key_format
from app.tenancy.errors import AmbiguousHint, KeyNotFound, KeyTextIncomplete
from app.tenancy.key_format import MalformedKey, ParsedKey
from app.tenancy.model import ApiKey, Environment, FaultyKey, FoundKey
from app.tenancy.store import TenancyStore

_PREFIX = "uniq_"
# As `key_format.display` writes it; the dots may be left out.
_HINT = re.compile(rf"uniq_(live|test)_([0-9A-Za-z]{{{key_format.HINT_LENGTH}}})(\.\.\.)?")

_BEGINNING = re.compile(
    rf"uniq_(live|test)_([0-9A-Za-z]{{{key_format.HINT_LENGTH},{key_format.LOOKUP_LENGTH}}})"
)


class KeySearch:
    """Finds keys of every organization, for operators; the text of a key is never kept."""

    def __init__(self, store: TenancyStore, peppers: Sequence[str]) -> None:
        self._store = store
        self._peppers = peppers

    def find(self, text: str) -> FoundKey:
        """Return the key with this id, text or hint, active or not, damaged or not.

        KeyNotFound if there is none, AmbiguousHint if several keys that are not revoked have it,
        KeyTextIncomplete for a text that begins as a key and is neither a whole one nor a hint.
        """
        if not text.startswith(_PREFIX):
            return _known(self._store.find_key(text))
        hint = _HINT.fullmatch(text)
        if hint is not None:
            return self._find_by_hint(Environment(hint[1]), hint[2], key_format.display(text))
        try:
            return self._find_by_text(key_format.parse(text))
        except MalformedKey:
            raise KeyTextIncomplete(key_format.display(text)) from None

    def find_ids_by_beginning(self, text: str) -> list[str]:
        """Return the ids of keys that begin as `text`, a part of one; KeyNotFound without any.

        Of the text at most the look-up id is compared, which is no secret.
        """
        beginning = _BEGINNING.match(text)
        if beginning is None:
            raise KeyNotFound
        found = self._store.find_keys_by_beginning(Environment(beginning[1]), beginning[2])
        if not found:
            raise KeyNotFound
        return [key.id for key in found]

    def _find_by_text(self, parsed: ParsedKey) -> FoundKey:
        """Return the key of this text; a forged text must not name another key."""
        found = self._store.find_key_by_lookup(parsed.lookup)
        if isinstance(found, ApiKey) and not key_format.matches(
            parsed.token, found.digest, self._peppers
        ):
            raise KeyNotFound
        return _known(found)

    def _find_by_hint(self, environment: Environment, beginning: str, hint: str) -> FoundKey:
        found = self._store.find_keys_by_beginning(environment, beginning)
        in_use = [key for key in found if isinstance(key, FaultyKey) or key.revoked_at is None]
        candidates = in_use or found
        if len(candidates) > 1:
            raise AmbiguousHint(hint, [(key.id, key.organization_id) for key in candidates])
        return _known(candidates[0] if candidates else None)


def _known(found: FoundKey | None) -> FoundKey:
    if found is None:
        raise KeyNotFound
    return found
