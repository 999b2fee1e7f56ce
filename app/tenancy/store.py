"""Organizations and API keys in MongoDB: the only place that knows their documents."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from pymongo import ASCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from app.tenancy.model import ApiKey, Environment, Scope

KEYS_COLLECTION = "api_keys"
# Keys and options by name, as `app.backends.definitions` has them.
KEY_INDEXES: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "lookup_1": (("lookup",), {"unique": True}),
    "idempotency_1": (("idempotency",), {"unique": True, "sparse": True}),
    "organization_id_1_environment_1": (("organization_id", "environment"), {}),
}

Document = Mapping[str, Any]


MAX_LISTED = 1_000


class AlreadyStored(Exception):
    """Another key holds the same look-up id or the same idempotency mark."""


class TenancyStore:
    """Reads and writes of who is asking; driver errors pass through untouched.

    The database must answer aware instants (`tz_aware`), as the model's always are.
    """

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._organizations = database["organizations"]
        self._keys = database[KEYS_COLLECTION]

    def insert_organization(self, document: Document) -> None:
        """Store a new organization, its id under `_id`."""
        self._organizations.insert_one(dict(document))

    def find_organization(self, organization_id: str) -> Document | None:
        """One organization's document, instants in UTC, or None."""
        document = self._organizations.find_one({"_id": organization_id})
        return _organization(document) if document else None

    def list_organizations(self) -> list[Document]:
        """Every organization's document, oldest first."""
        return [_organization(found) for found in self._organizations.find().sort("_id", ASCENDING)]

    def update_organization(self, organization_id: str, fields: Document) -> Document | None:
        """Set fields of one organization and answer it as it then is; None if it is unknown."""
        document = self._organizations.find_one_and_update(
            {"_id": organization_id},
            {"$set": dict(fields)},
            return_document=ReturnDocument.AFTER,
        )
        return _organization(document) if document else None

    def insert_key(self, key: ApiKey, idempotency: str | None) -> None:
        """Store a new key; AlreadyStored if its look-up id or idempotency mark is taken."""
        document = _key_document(key) | ({"idempotency": idempotency} if idempotency else {})
        try:
            self._keys.insert_one(document)
        except DuplicateKeyError as error:
            raise AlreadyStored from error

    def find_key_by_lookup(self, lookup: str) -> ApiKey | None:
        """The key with this look-up id, revoked and expired ones too."""
        return _key(self._keys.find_one({"lookup": lookup}))

    def find_key_by_idempotency(self, marks: Sequence[str]) -> ApiKey | None:
        """The key that was made under any of these idempotency marks."""
        return _key(self._keys.find_one({"idempotency": {"$in": list(marks)}}))

    def find_key(self, key_id: str, **owner: str) -> ApiKey | None:
        """One key by id; `owner` may narrow to an organization_id and an environment."""
        return _key(self._keys.find_one({"_id": key_id, **owner}))

    def list_keys(self, organization_id: str, environment: Environment | None) -> list[ApiKey]:
        """The newest 1,000 keys of an organization, of one environment or (None) of both."""
        owner = {"organization_id": organization_id}
        if environment:
            owner["environment"] = environment.value
        found = self._keys.find(owner).sort("_id", -ASCENDING).limit(MAX_LISTED)
        return [key for document in found if (key := _key(document))]

    def count_usable_keys(
        self, organization_id: str, environment: Environment, now: datetime
    ) -> int:
        """Keys of one account that are neither revoked nor expired at `now`."""
        return self._keys.count_documents(
            {
                "organization_id": organization_id,
                "environment": environment.value,
                "revoked_at": None,
                "$or": [{"expires_at": None}, {"expires_at": {"$gt": now}}],
            }
        )

    def revoke_key(self, key_id: str, revoked_at: datetime) -> None:
        """Mark a key as revoked; the first instant stays when it is revoked again."""
        self._keys.update_one(
            {"_id": key_id, "revoked_at": None}, {"$set": {"revoked_at": revoked_at}}
        )


def _organization(document: dict[str, Any]) -> Document:
    return document | {"signed_up_on": date.fromisoformat(document["signed_up_on"])}


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


def _key(document: dict[str, Any] | None) -> ApiKey | None:
    if document is None:
        return None
    return ApiKey(
        id=document["_id"],
        organization_id=document["organization_id"],
        environment=Environment(document["environment"]),
        scope=Scope(document["scope"]),
        lookup=document["lookup"],
        digest=document["digest"],
        hint=document["hint"],
        created_at=document["created_at"],
        label=document["label"],
        expires_at=document["expires_at"],
        revoked_at=document["revoked_at"],
    )
