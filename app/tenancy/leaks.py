"""Find the API keys in a text that somebody has published.

The text is read once and dropped. Results hold ids and hints, never a part of the text beyond the
four characters that lists show.
"""

import re
from dataclasses import dataclass, field

from app.http.rules import ULID_PATTERN
from app.tenancy import key_format
from app.tenancy.errors import AmbiguousHint, KeyNotFound, KeyTextIncomplete
from app.tenancy.key_search import KeySearch
from app.tenancy.model import FoundKey

# Both bound the calls of the store; a text with more keys is searched in parts.
MOST_CANDIDATES = 100
MOST_KEYS = 50
_CANDIDATE = re.compile(rf"uniq_(?:live|test)_[0-9A-Za-z]+(?:\.\.\.)?|key_{ULID_PATTERN}")


@dataclass(slots=True)
class Leak:
    """The keys in a text: `certain` ones by id, and `possible` ones that begin as a part does.

    `unknown_hints` begin texts in the form of keys that this service does not know. `has_more` is
    True if the text names more keys than one search covers.
    """

    certain: dict[str, FoundKey] = field(default_factory=dict)
    possible_ids: dict[str, None] = field(default_factory=dict)
    unknown_hints: dict[str, None] = field(default_factory=dict)
    has_more: bool = False

    @property
    def is_empty(self) -> bool:
        """Return True if nothing in the text looks like a key."""
        return not (self.certain or self.possible_ids or self.unknown_hints)


class LeakSearch:
    """Finds keys of every organization in texts."""

    def __init__(self, search: KeySearch) -> None:
        self._search = search

    def find_all(self, text: str) -> Leak:
        """Return the keys whose text, id or first characters are in `text`."""
        leak = Leak()
        candidates = _candidates(text)
        leak.has_more = len(candidates) > MOST_CANDIDATES
        for candidate in candidates[:MOST_CANDIDATES]:
            if len(leak.certain) + len(leak.possible_ids) >= MOST_KEYS:
                leak.has_more = True
                break
            self._add(leak, candidate)
        for key_id in leak.certain:
            leak.possible_ids.pop(key_id, None)
        return leak

    def _add(self, leak: Leak, candidate: str) -> None:
        try:
            found = self._search.find(candidate)
        except AmbiguousHint as several:
            leak.possible_ids |= dict.fromkeys(key_id for key_id, _ in several.candidates)
        except KeyTextIncomplete:
            self._add_by_beginning(leak, candidate)
        except KeyNotFound:
            leak.unknown_hints[_hint(candidate)] = None
        else:
            leak.certain[found.id] = found

    def _add_by_beginning(self, leak: Leak, candidate: str) -> None:
        """Add the keys that begin as this part of one, or as this mistyped one."""
        try:
            leak.possible_ids |= dict.fromkeys(self._search.find_ids_by_beginning(candidate))
        except KeyNotFound:
            leak.unknown_hints[_hint(candidate)] = None


def _candidates(text: str) -> list[str]:
    """Return different texts in the form of a key, an id or a hint, in their order."""
    return list(dict.fromkeys(_cut(found[0]) for found in _CANDIDATE.finditer(text)))


def _cut(candidate: str) -> str:
    """Return a key without letters that follow it directly."""
    return candidate[: key_format.TOKEN_LENGTH]


def _hint(candidate: str) -> str:
    return key_format.display(candidate) if candidate.startswith("uniq_") else candidate
