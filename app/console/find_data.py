"""Find the page of whatever an operator pasted: a name, an id, or the first characters of a key.

| text | page |
| --- | --- |
| `org_…` | the organization |
| `key_…`, a key or its first characters | the key in the list of keys |
| `int_…` | the organization that owns the turn |
| a text with 26 letters and digits | the request |
| other text | the organization or key with it in its name or label; several are listed |
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from app.console.choices import MOST_TEXT
from app.console.key_rows import key_row
from app.console.paths import organization_path
from app.http.instants import format_datetime
from app.interactions.ids import find_ulid
from app.interactions.store import InteractionStore
from app.request_log.pasted import find_request_id
from app.tenancy.directory.model import KeyQuery, NamedOrganization
from app.tenancy.directory.service import Directory
from app.tenancy.key_format import redact
from app.tenancy.model import FoundKey, organization_in

MOST_ROWS = 20
Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Matches:
    """Organizations and keys that match, at most `MOST_ROWS` of each.

    `more_keys_count` further keys begin with the same characters.
    """

    organizations: Sequence[NamedOrganization] = ()
    keys: Sequence[FoundKey] = ()
    more_keys_count: int = 0


class FindData:
    """Finds pages; `now` decides the state of keys."""

    def __init__(
        self, directory: Directory, ledger: InteractionStore, now: Callable[[], datetime]
    ) -> None:
        self._directory = directory
        self._ledger = ledger
        self._now = now

    def find(self, given: str) -> str | Data:
        """Return the path of the one page that `given` names, or the data of a list of matches."""
        text = given.strip()[:MOST_TEXT]
        request_id = find_request_id(text)
        if request_id:
            return f"/console/requests/{request_id}"
        if text.startswith("org_"):
            return organization_path(text)
        if text.startswith("int_"):
            return self._find_turn(text)
        matches = self._match(text) if text else Matches()
        return _only_page(text, matches) or self._listed(text, matches)

    def _find_turn(self, text: str) -> str | Data:
        ulid = find_ulid(text)
        account = self._ledger.find_account(ulid) if ulid else None
        if account is None:
            return self._listed(text, Matches())
        organization_id, _, environment = account.partition(":")
        return f"{organization_path(organization_in(organization_id))}?environment={environment}"

    def _match(self, text: str) -> Matches:
        if text.startswith(("key_", "uniq_")):
            listing = self._directory.keys(KeyQuery(text=text), None, MOST_ROWS)
            return Matches((), listing.keys, listing.total_count - len(listing.keys))
        organizations = self._directory.search_organizations(text, MOST_ROWS)
        return Matches(organizations, self._directory.search_labels(text, MOST_ROWS))

    def _listed(self, text: str, matches: Matches) -> Data:
        now = self._now()
        names = self._directory.names_of(matches.keys) if matches.keys else {}
        return {
            "as_of": format_datetime(now),
            "q": redact(text),
            "organizations": [{"id": each.id, "name": each.name} for each in matches.organizations],
            "keys": [key_row(key, names, now) for key in matches.keys],
            "more_keys_count": matches.more_keys_count,
            "is_found": bool(matches.organizations or matches.keys) or not text,
        }


def _only_page(text: str, matches: Matches) -> str | None:
    """Return the page of the only match, or of the only organization of exactly this name."""
    named = [each for each in matches.organizations if each.name == text]
    if len(named) == 1:
        return organization_path(named[0].id)
    pages = [organization_path(each.id) for each in matches.organizations]
    pages += [f"/console/keys?{urlencode({'q': key.id})}#list" for key in matches.keys]
    return pages[0] if len(pages) == 1 else None
