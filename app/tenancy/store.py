"""Store organizations and API keys in MongoDB; the only module that knows their documents."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from app.http.instants import cut_to_ms
from app.tenancy.model import ApiKey, Environment, FoundKey, KeyState
from app.tenancy.records import key_of

KEYS_COLLECTION = "api_keys"
Document = Mapping[str, Any]

# Any field of a stored key may be damaged, so queries name the type that they need. MongoDB
# compares values of one type: a date as a bound matches dates alone, a text matches texts alone.
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
_IS_REVOKED = {"$type": "date"}
_IS_TEXT = {"$gt": ""}
_OF_ACCOUNT = ("organization_id", "environment")
# Keys and options by name, as in `app.backends.definitions`.
KEY_INDEXES: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "lookup_1": (("lookup",), {"unique": True}),
    "idempotency_1": (("idempotency",), {"unique": True, "sparse": True}),
    # Active and expired keys, newest first: both have `revoked_at` null. The query reads them all
    # and compares `expires_at` itself. They are few: an account has at most 100 active keys, and a
    # key lasts a day or longer, so at most 100 expire a day.
    "organization_id_1_environment_1_revoked_at_1__id_1": (
        (*_OF_ACCOUNT, "revoked_at", "_id"),
        {},
    ),
    # Revoked keys, newest first. Within a range of `revoked_at` ids would not be in order, so the
    # date is in the filter and not among the index's keys.
    "revoked": ((*_OF_ACCOUNT, "_id"), {"partialFilterExpression": {"revoked_at": _IS_REVOKED}}),
    # For removal, which reads expired and revoked keys of all accounts. MongoDB uses a partial
    # index only for queries that imply its filter. Lists have no lower bound, so they never use
    # these.
    **{
        f"{end}_1": ((end,), {"partialFilterExpression": {end: {"$gt": _BEFORE_ALL}}})
        for end in ("revoked_at", "expires_at")
    },
}


class AlreadyStored(Exception):
    """Another key has the same look-up id or the same idempotency digest."""


class TenancyStore:
    """Reads and writes organizations and keys; driver errors pass through unchanged.

    The database must return aware instants (`tz_aware`), as the model's are.
    """

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._organizations = database["organizations"]
        self._keys = database[KEYS_COLLECTION]

    def insert_organization(self, document: Document) -> None:
        """Store a new organization, its id under `_id`."""
        self._organizations.insert_one(dict(document))

    def find_organization(self, organization_id: str) -> Document | None:
        """Return one organization's document with instants in UTC, or None."""
        document = self._organizations.find_one({"_id": organization_id})
        return _organization(document) if document else None

    def list_organizations(self) -> list[Document]:
        """Return every organization's document, oldest first."""
        return [_organization(found) for found in self._organizations.find().sort("_id", ASCENDING)]

    def list_names(self, names: Iterable[str]) -> list[str]:
        """Return the name of each organization that has one of `names`."""
        found = self._organizations.find({"name": {"$in": list(names)}}, {"name": 1})
        return [each["name"] for each in found]

    def find_organizations_named(self, name: str) -> list[Document]:
        """Return the documents of all organizations with this name, oldest first."""
        found = self._organizations.find({"name": name}).sort("_id", ASCENDING)
        return [_organization(document) for document in found]

    def update_organization(self, before: Document, fields: Document) -> Document | None:
        """Set fields of one organization and return it afterwards.

        Returns None, and changes nothing, unless each of these fields still is as in `before`. A
        field that is missing there may be missing or null.
        """
        unchanged = {
            name: None if before.get(name) is None else {"$eq": before[name]} for name in fields
        }
        document = self._organizations.find_one_and_update(
            {"_id": before["_id"], **unchanged},
            {"$set": dict(fields)},
            return_document=ReturnDocument.AFTER,
        )
        return _organization(document) if document else None

    def insert_key(self, key: ApiKey, idempotency: str | None) -> None:
        """Store a new key; AlreadyStored if its look-up id or idempotency digest is taken."""
        document = _key_document(key) | ({"idempotency": idempotency} if idempotency else {})
        try:
            self._keys.insert_one(document)
        except DuplicateKeyError as error:
            raise AlreadyStored from error

    def find_key_by_lookup(self, lookup: str) -> FoundKey | None:
        """Return the key with this look-up id, also a revoked or expired one."""
        return _key(self._keys.find_one({"lookup": lookup}))

    def find_keys_by_beginning(self, environment: Environment, beginning: str) -> list[FoundKey]:
        """Return keys of an environment whose look-up id begins so, newest first."""
        # Of the characters of base62, `z` is the last, and `{` follows it.
        between = {"$gte": beginning, "$lt": f"{beginning}{{"}
        chosen = {"lookup": between, "environment": environment.value}
        return [key_of(document) for document in self._keys.find(chosen).sort("_id", DESCENDING)]

    def find_key_by_idempotency(self, digests: Sequence[str]) -> FoundKey | None:
        """Return the key that was made with one of these idempotency digests."""
        return _key(self._keys.find_one({"idempotency": {"$in": list(digests)}}))

    def find_key(self, key_id: str) -> FoundKey | None:
        """Return one key of any account by its id."""
        return _key(self._keys.find_one({"_id": key_id}))

    def find_key_of_account(
        self, organization_id: str, environment: Environment, key_id: str
    ) -> FoundKey | None:
        """Return one key of this account by its id; None for a key of another account."""
        owner = {"organization_id": organization_id, "environment": environment.value}
        return _key(self._keys.find_one({"_id": key_id, **owner}))

    def find_keys(
        self,
        organization_id: str,
        environments: Sequence[Environment],
        state: KeyState,
        now: datetime,
        *,
        before_id: str | None,
        at_most: int,
    ) -> list[FoundKey]:
        """Return keys in `state` at `now`, newest first, with ids before `before_id`."""
        chosen: dict[str, Any] = {
            "organization_id": organization_id,
            "environment": {"$in": [environment.value for environment in environments]},
            "_id": _IS_TEXT if before_id is None else {**_IS_TEXT, "$lt": before_id},
            **in_state(state, now),
        }
        found = self._keys.find(chosen).sort("_id", DESCENDING).limit(at_most)
        return [key_of(document) for document in found]

    def find_stray_keys(self, organization_id: str, now: datetime) -> list[FoundKey]:
        """Return keys of an organization that are in no list, because a field is damaged."""
        states = [in_state(state, now) for state in KeyState]
        environments = [environment.value for environment in Environment]
        known = {"_id": _IS_TEXT, "environment": {"$in": environments}}
        listed = [{**known, **state} for state in states]
        found = self._keys.find({"organization_id": organization_id, "$nor": listed})
        return [key_of(document) for document in found.sort("_id", DESCENDING)]

    def count_active_keys(
        self, organization_id: str, environment: Environment, now: datetime
    ) -> int:
        """Count keys of one account that are active at `now`: neither revoked nor expired."""
        return self._keys.count_documents(
            {
                "organization_id": organization_id,
                "environment": environment.value,
                **in_state(KeyState.ACTIVE, now),
            }
        )

    def revoke_key(self, key_id: str, revoked_at: datetime) -> bool:
        """Set the instant of revocation; return False, and change nothing, if it is set.

        A damaged instant is replaced, so that the key is listed as revoked and removed in time.
        """
        changed = self._keys.update_one(
            {"_id": key_id, "revoked_at": {"$not": _IS_REVOKED}},
            {"$set": {"revoked_at": revoked_at}},
        )
        return changed.matched_count > 0

    def replace_key(self, before: ApiKey, after: ApiKey) -> bool:
        """Set when a key expires and by which key it is replaced, as in `after`.

        Returns False, and changes nothing, if the key is revoked or no longer as `before`.
        """
        unchanged = {"expires_at": before.expires_at, "replaced_by": before.replaced_by}
        chosen = {"_id": before.id, "revoked_at": None, **unchanged}
        changes: dict[str, dict[str, object]] = {"$set": {"expires_at": after.expires_at}}
        if after.replaced_by is None:  # as in a key that was never replaced
            changes["$unset"] = {"replaced_by": ""}
        else:
            changes["$set"]["replaced_by"] = after.replaced_by
        return self._keys.update_one(chosen, changes).matched_count > 0

    def note_key_uses(self, key_ids: Sequence[str], at: datetime, apart: timedelta) -> None:
        """Set when keys were last used, except those with a use less than `apart` from `at`."""
        near = {"$gt": at - apart, "$lt": at + apart}
        chosen = {"_id": {"$in": list(key_ids)}, "last_used_at": {"$not": near}}
        self._keys.update_many(chosen, {"$set": {"last_used_at": cut_to_ms(at)}})

    def remove_keys(self, ended_by: datetime, at_most: int) -> int:
        """Delete keys that were revoked or expired at `ended_by` or before; return how many."""
        bound = {"$gt": _BEFORE_ALL, "$lte": ended_by}
        ended = {"$or": [{"revoked_at": bound}, {"expires_at": bound}]}
        found = [key["_id"] for key in self._keys.find(ended, {"_id": 1}).limit(at_most)]
        return self._keys.delete_many({"_id": {"$in": found}}).deleted_count if found else 0

    def delete_key(self, key_id: str) -> None:
        """Delete a key."""
        self._keys.delete_one({"_id": key_id})


def in_state(state: KeyState, now: datetime) -> Document:
    """Return the filter of a state; `Authenticator` applies the same rule to the key in use."""
    if state is KeyState.REVOKED:
        return {"revoked_at": _IS_REVOKED}
    if state is KeyState.EXPIRED:
        return {"revoked_at": None, "expires_at": {"$lte": now}}
    return {"revoked_at": None, "$or": [{"expires_at": None}, {"expires_at": {"$gt": now}}]}


def _organization(document: dict[str, Any]) -> Document:
    return document | {"signed_up_on": _find_day(document.get("signed_up_on"))}


def _find_day(value: Any) -> date | None:
    """Return the day, or None if `value` is not a day; its reader reports that."""
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _key_document(key: ApiKey) -> dict[str, Any]:
    return {
        "_id": key.id,
        "organization_id": key.organization_id,
        "environment": key.environment.value,
        "lookup": key.lookup,
        "digest": key.digest,
        "scope": key.scope.value,
        "label": key.label,
        "hint": key.hint,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def _key(document: dict[str, Any] | None) -> FoundKey | None:
    return None if document is None else key_of(document)
