"""List keys of all organizations, and find organizations by a part of their name."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from app.http.instants import utc_now
from app.tenancy.directory.model import (
    KeyListing,
    KeyQuery,
    KeySummary,
    NamedOrganization,
)
from app.tenancy.directory.store import DirectoryStore, chosen_by, has_label
from app.tenancy.model import FoundKey

# A filter by name covers at most so many organizations.
MOST_ORGANIZATIONS = 500


class Directory:
    """Searches over all organizations; changes nothing."""

    def __init__(self, store: DirectoryStore, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._now = now

    def keys(self, query: KeyQuery, before_id: str | None, at_most: int) -> KeyListing:
        """Return the newest keys that match, with ids before `before_id`."""
        chosen = chosen_by(query, self._owners(query.text), self._now())
        found = self._store.find_keys(chosen, before_id, at_most + 1)
        shown = found[:at_most]
        total = self._store.count_keys(chosen)
        return KeyListing(shown, self.names_of(shown), total, len(found) > at_most)

    def summary(self) -> KeySummary:
        """Count the active keys of all organizations."""
        return self._store.summarize_active_keys(self._now())

    def names_of(self, keys: Sequence[FoundKey]) -> Mapping[str, str]:
        """Return the names of the organizations of these keys."""
        return self.names(sorted({key.organization_id for key in keys}))

    def names(self, organization_ids: Sequence[str]) -> Mapping[str, str]:
        """Return names by id, without those of removed or damaged organizations."""
        return self._store.names(organization_ids)

    def keys_by_id(self, key_ids: Sequence[str]) -> Mapping[str, FoundKey]:
        """Return keys by id, without those that are removed."""
        return {key.id: key for key in self._store.find_keys_by_id(key_ids)}

    def search_organizations(self, part: str, at_most: int) -> Sequence[NamedOrganization]:
        """Return organizations whose name has this text; upper and lower case are equal."""
        return self._store.search_organizations(part, at_most)

    def search_labels(self, part: str, at_most: int) -> Sequence[FoundKey]:
        """Return keys whose label has this text, newest first."""
        return self._store.find_keys(has_label(part), None, at_most)

    def _owners(self, text: str | None) -> Sequence[str]:
        if not text or text.startswith(("key_", "org_", "uniq_")):
            return []
        found = self._store.search_organizations(text, MOST_ORGANIZATIONS)
        return [each.id for each in found]
