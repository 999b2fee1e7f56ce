"""Search the collections `organizations` and `api_keys` without naming an account.

Operators ask, a page at a time. A filter that no index has reads the collection in the order of
ids, until the page is full.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from app.tenancy.directory.model import LONG, SOON, KeyQuery, KeySummary, KeyView, NamedOrganization
from app.tenancy.key_format import LOOKUP_LENGTH
from app.tenancy.model import FoundKey, KeyState
from app.tenancy.records import key_of
from app.tenancy.store import KEYS_COLLECTION, Document, in_state

_IS_TEXT = {"$gt": ""}
_BEGINNING = re.compile(r"uniq_(live|test)_([0-9A-Za-z]*)")


class DirectoryStore:
    """Reads organizations and keys of all accounts. Driver errors pass through."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._organizations = database["organizations"]
        self._keys = database[KEYS_COLLECTION]

    def find_keys(self, chosen: Document, before_id: str | None, at_most: int) -> list[FoundKey]:
        """Return keys of this filter with ids before `before_id`, newest first."""
        in_order = {"_id": _IS_TEXT if before_id is None else {**_IS_TEXT, "$lt": before_id}}
        found = self._keys.find({"$and": [in_order, chosen]}).sort("_id", DESCENDING)
        return [key_of(document) for document in found.limit(at_most)]

    def find_keys_by_id(self, key_ids: Sequence[str]) -> list[FoundKey]:
        """Return the keys with these ids, without those that are removed."""
        return [key_of(found) for found in self._keys.find({"_id": {"$in": list(key_ids)}})]

    def count_keys(self, chosen: Document) -> int:
        """Count keys of this filter; without one approximately."""
        if not chosen:
            return self._keys.estimated_document_count()
        return self._keys.count_documents({"_id": _IS_TEXT, **chosen})

    def summarize_active_keys(self, now: datetime) -> KeySummary:
        """Count the active keys at `now` in one pass over the collection."""
        newest = {"$ifNull": ["$last_used_at", "$created_at"]}
        unused = {"$sum": {"$cond": [{"$lte": [newest, now - LONG]}, 1, 0]}}
        per_organization = {"_id": "$organization_id", "keys": {"$sum": 1}, "unused": unused}
        totals: dict[str, Any] = {"_id": None, "organizations": {"$sum": 1}}
        totals |= {name: {"$sum": f"${name}"} for name in ("keys", "unused")}
        stages: list[Document] = [
            {"$match": in_view(KeyView.ACTIVE, now)},
            {"$group": per_organization},
            {"$group": totals},
        ]
        found = next(iter(self._keys.aggregate(stages)), {})
        return KeySummary(
            active_count=found.get("keys", 0),
            organizations_count=found.get("organizations", 0),
            unused_count=found.get("unused", 0),
            # An index has it.
            expire_soon_count=self.count_keys(in_view(KeyView.EXPIRES_SOON, now)),
        )

    def names(self, organization_ids: Sequence[str]) -> dict[str, str]:
        """Return the names of organizations by id, without those that have none."""
        chosen = {"_id": {"$in": list(organization_ids)}}
        return {each.id: each.name for each in self._named(chosen, len(organization_ids))}

    def search_organizations(self, part: str, at_most: int) -> list[NamedOrganization]:
        """Return organizations with this text in their name, oldest first."""
        return self._named({"name": _contains(part)}, at_most)

    def _named(self, chosen: Document, at_most: int) -> list[NamedOrganization]:
        if not at_most:
            return []
        found = self._organizations.find(dict(chosen), {"name": 1}).sort("_id", ASCENDING)
        return [
            NamedOrganization(str(each["_id"]), each["name"])
            for each in found.limit(at_most)
            if isinstance(each.get("name"), str)
        ]


def chosen_by(query: KeyQuery, organization_ids: Sequence[str], now: datetime) -> Document:
    """Return the filter of a query; `organization_ids` are those whose names have its text."""
    parts: list[Document] = []
    if query.environment is not None:
        parts.append({"environment": query.environment.value})
    if query.view is not None:
        parts.append(in_view(query.view, now))
    if query.text:
        parts.append(_has_text(query.text, organization_ids))
    return {"$and": parts} if parts else {}


def in_view(view: KeyView, now: datetime) -> Document:
    """Return the filter of a view at `now`."""
    if view is KeyView.EXPIRES_SOON:
        return {"revoked_at": None, "expires_at": {"$gt": now, "$lte": now + SOON}}
    if view is not KeyView.UNUSED:
        return in_state(KeyState(view.value), now)
    before = now - LONG
    unused = [
        {"last_used_at": {"$lte": before}},
        {"last_used_at": None, "created_at": {"$lte": before}},
    ]
    return {"$and": [in_state(KeyState.ACTIVE, now), {"$or": unused}]}


def has_label(part: str) -> Document:
    """Return the filter of keys with this text in their label."""
    return {"label": _contains(part)}


def _has_text(text: str, organization_ids: Sequence[str]) -> Document:
    beginning = _BEGINNING.match(text)
    if beginning is not None:
        first = beginning[2][:LOOKUP_LENGTH]
        # Of the characters of base62, `z` is the last, and `{` follows it.
        return {"environment": beginning[1], "lookup": {"$gte": first, "$lt": f"{first}{{"}}
    if text.startswith("key_"):
        return {"_id": text}
    if text.startswith("org_"):
        return {"organization_id": text}
    return {"$or": [{"organization_id": {"$in": list(organization_ids)}}, has_label(text)]}


def _contains(part: str) -> Document:
    return {"$regex": re.escape(part), "$options": "i"}
