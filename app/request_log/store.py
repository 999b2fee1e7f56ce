"""Store refused requests in `refused_requests`; the only module that knows its documents.

| `_id` | the document |
| --- | --- |
| the request's id | one refused request |
| `left_out:2026-11-30T14:31` | `count`: how many requests of that minute are not kept |
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database
from pymongo.errors import BulkWriteError
from ulid import ULID

from app.backends.definitions import Indexes
from app.request_log.model import RefusedRequest, minute_of

COLLECTION = "refused_requests"
INDEXES: Indexes = {"retention": (("expires_at",), {"expireAfterSeconds": 0})}
_DUPLICATE = 11_000
# Ids of requests begin with a digit, so they come before those of counts.
_IS_REQUEST = {"_id": {"$lt": "a"}}


class RequestLogStore:
    """Writes batches and finds single requests. Driver errors pass through."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._entries = database[COLLECTION]

    def write(self, entries: Sequence[RefusedRequest], expires_at: datetime) -> None:
        """Store entries; those that an earlier try has stored stay as they are."""
        try:
            documents = [_document(entry, expires_at) for entry in entries]
            self._entries.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if any(each["code"] != _DUPLICATE for each in error.details["writeErrors"]):
                raise

    def add_left_out(self, at: datetime, count: int, expires_at: datetime) -> None:
        """Count requests of the minute of `at` that are not kept."""
        self._entries.update_one(
            {"_id": _left_out_id(at)},
            {"$inc": {"count": count}, "$set": {"expires_at": expires_at}},
            upsert=True,
        )

    def find(self, request_id: str) -> RefusedRequest | None:
        """Return a refused request; None if none of this id is kept."""
        found = self._entries.find_one({"_id": request_id})
        return None if found is None else _entry(found)

    def count_left_out(self, at: datetime) -> int:
        """Return how many requests of the minute of `at` are not kept."""
        found = self._entries.find_one({"_id": _left_out_id(at)})
        return int(found["count"]) if found else 0

    def list_newest(self, at_most: int) -> list[RefusedRequest]:
        """Return the newest refused requests, newest first."""
        found = self._entries.find(_IS_REQUEST).sort("_id", DESCENDING).limit(at_most)
        return [_entry(document) for document in found]

    def list_around(
        self, request: RefusedRequest, within: timedelta, at_most: int
    ) -> list[RefusedRequest]:
        """Return refused requests of the same key, at most so many on each side, newest first."""
        key = {"key_id": request.key_id}
        later = {"$gt": request.id, "$lt": _first_id(request.at + within)}
        earlier = {"$lt": request.id, "$gte": _first_id(request.at - within)}
        after = self._entries.find({"_id": later, **key}).sort("_id", ASCENDING).limit(at_most)
        before = self._entries.find({"_id": earlier, **key}).sort("_id", DESCENDING).limit(at_most)
        return [*reversed([_entry(each) for each in after]), *(_entry(each) for each in before)]

    def find_newest_at(self) -> datetime | None:
        """Return the instant of the newest refused request; None if none is kept."""
        newest = self._entries.find(_IS_REQUEST).sort("_id", DESCENDING).limit(1)
        return next((entry["at"] for entry in newest), None)


def _first_id(at: datetime) -> str:
    """Return the least id that a request of this instant can have."""
    return str(ULID.from_datetime(at))[:10]


def _left_out_id(at: datetime) -> str:
    return f"left_out:{minute_of(at)}"


def _document(entry: RefusedRequest, expires_at: datetime) -> dict[str, Any]:
    return {
        "_id": entry.id,
        "at": entry.at,
        "organization_id": entry.organization_id,
        "key_id": entry.key_id,
        "method": entry.method,
        "route": entry.route,
        "status": entry.status,
        "error_code": entry.error_code,
        "fields": list(entry.fields),
        "retry_after_s": entry.retry_after_s,
        "duration_ms": entry.duration_ms,
        "expires_at": expires_at,
    }


def _entry(document: Mapping[str, Any]) -> RefusedRequest:
    return RefusedRequest(
        id=document["_id"],
        at=document["at"],
        organization_id=document["organization_id"],
        key_id=document["key_id"],
        method=document["method"],
        route=document["route"],
        status=document["status"],
        error_code=document["error_code"],
        fields=tuple(document["fields"]),
        retry_after_s=document["retry_after_s"],
        duration_ms=document["duration_ms"],
    )
