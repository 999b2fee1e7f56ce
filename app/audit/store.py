"""Store entries in `audit`; the only module that knows their documents."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pymongo import DESCENDING
from pymongo.database import Database
from pymongo.errors import PyMongoError, WriteError
from ulid import ULID

from app.audit.errors import AuditNotWritten
from app.audit.model import (
    MAX_AUTHOR_LENGTH,
    MAX_REASON_LENGTH,
    Action,
    AuthorKind,
    Change,
    Entry,
    EntryFilter,
    Outcome,
)

COLLECTION = "audit"
ID_PREFIX = "aud_"
# Keys and options by name, as in `app.backends.definitions`.
INDEXES: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    # Ids begin with their instant, so both lists are in the order of time.
    "organization_id_1__id_1": (("organization_id", "_id"), {}),
    "retention": (("expires_at",), {"expireAfterSeconds": 0}),
}
_NULL = {"bsonType": "null"}
# Of an id in a damaged document, which may be anything.
_MOST_OF_AN_ID = 100
# Ids have no earlier instant.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_ULID = r"[0-7][0-9A-HJKMNP-TV-Z]{25}"


class AuditStore:
    """Appends entries and sets their outcome; driver errors pass through unchanged."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._entries = database[COLLECTION]

    def append(self, entry: Entry, expires_at: datetime) -> None:
        """Store an entry; AuditNotWritten if the database refuses it."""
        try:
            self._entries.insert_one(_document(entry) | {"expires_at": expires_at})
        except WriteError:
            raise AuditNotWritten from None

    def set_outcome(self, entry_id: str, outcome: Outcome) -> None:
        """Set the outcome of an entry that has none yet."""
        chosen = {"_id": entry_id, "outcome": Outcome.INTENDED.value}
        self._entries.update_one(chosen, {"$set": {"outcome": outcome.value}})

    def list_(
        self, filter_: EntryFilter, *, before_id: str | None = None, at_most: int
    ) -> list[Entry]:
        """Return entries that match, newest first, with ids before `before_id`."""
        chosen = _chosen_by(filter_)
        if before_id is not None:
            chosen["_id"]["$lt"] = min(before_id, chosen["_id"].get("$lt", before_id))
        found = self._entries.find(chosen).sort("_id", DESCENDING).limit(at_most)
        return [_entry(document) for document in found]

    def count(self, filter_: EntryFilter) -> int:
        """Count entries that match."""
        return self._entries.count_documents(_chosen_by(filter_))


def is_outcome_unknown(error: Exception) -> bool:
    """Return True if a change that ended with this error may have been made all the same."""
    return isinstance(error, PyMongoError)


def validator() -> dict[str, Any]:
    """Return the validator of `audit`, which keeps out further fields and long texts."""
    short = {"bsonType": "string", "minLength": 1}
    changed = {"oneOf": [_NULL, {"bsonType": "object", "maxProperties": 20}]}
    properties: dict[str, Any] = {
        "_id": {"bsonType": "string", "pattern": rf"^{ID_PREFIX}{_ULID}\z"},
        "at": {"bsonType": "date"},
        "expires_at": {"bsonType": "date"},
        "who": {
            **short,
            "maxLength": MAX_AUTHOR_LENGTH,
            "pattern": r"^(command|console|key):.",
        },
        "action": {"enum": [action.value for action in Action]},
        "organization_id": {**short, "maxLength": _MOST_OF_AN_ID},
        "key_id": {"oneOf": [_NULL, {**short, "maxLength": _MOST_OF_AN_ID}]},
        "before": changed,
        "after": changed,
        "reason": {"oneOf": [_NULL, {**short, "maxLength": MAX_REASON_LENGTH}]},
        "outcome": {"enum": [outcome.value for outcome in Outcome]},
    }
    return {
        "$jsonSchema": {
            "bsonType": "object",
            "additionalProperties": False,
            "required": sorted(properties),
            "properties": properties,
        }
    }


def _chosen_by(filter_: EntryFilter) -> dict[str, Any]:
    chosen: dict[str, Any] = {"_id": {"$gte": ID_PREFIX}}
    equal = {"organization_id": filter_.organization_id, "key_id": filter_.key_id}
    chosen |= {name: value for name, value in equal.items() if value is not None}
    if filter_.action is not None:
        chosen["action"] = filter_.action.value
    if filter_.author_kind is not None or filter_.author_name is not None:
        chosen["who"] = _authors(filter_.author_kind, filter_.author_name)
    if filter_.has_failed is not None:
        compare = "$eq" if filter_.has_failed else "$ne"
        chosen["outcome"] = {compare: Outcome.FAILED.value}
    if filter_.since is not None:
        chosen["_id"]["$gte"] = _first_id(filter_.since)
    if filter_.until is not None:
        chosen["_id"]["$lt"] = _first_id(filter_.until)
    return chosen


def _authors(kind: AuthorKind | None, name: str | None) -> dict[str, Any]:
    kinds = [kind] if kind else list(AuthorKind)
    if name is not None:
        return {"$in": [f"{each.value}:{name}" for each in kinds]}
    # `;` follows `:`.
    return {"$gte": f"{kinds[0].value}:", "$lt": f"{kinds[0].value};"}


def _first_id(at: datetime) -> str:
    """Return the least id that an entry of this instant can have."""
    return f"{ID_PREFIX}{str(ULID.from_datetime(max(at, _FIRST)))[:10]}"


def _document(entry: Entry) -> dict[str, Any]:
    change = entry.change
    return {
        "_id": entry.id,
        "at": entry.at,
        "who": entry.who,
        "action": change.action.value,
        "organization_id": change.organization_id[:_MOST_OF_AN_ID] or "-",
        "key_id": None if change.key_id is None else change.key_id[:_MOST_OF_AN_ID] or "-",
        "before": change.before,
        "after": change.after,
        "reason": entry.reason,
        "outcome": entry.outcome.value,
    }


def _entry(document: Mapping[str, Any]) -> Entry:
    change = Change(
        action=Action(document["action"]),
        organization_id=document["organization_id"],
        key_id=document["key_id"],
        before=document["before"],
        after=document["after"],
    )
    return Entry(
        id=document["_id"],
        at=document["at"],
        who=document["who"],
        reason=document["reason"],
        change=change,
        outcome=Outcome(document["outcome"]),
    )
