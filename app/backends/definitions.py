"""Define the indexes and validator of a collection, and compare the database with them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson import encode
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from app.backends.validators import is_enforced

_NO_COLLECTION = 26
Document = dict[str, Any]
Stored = Database[Document]
# By the name of the index: its keys, all ascending, and its options as MongoDB names them.
Indexes = Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]]
VALIDATOR = "validator"
# Stored with an index but no part of its definition. `prepareUnique` is a step towards `unique`.
_INCIDENTAL = frozenset({"v", "ns", "key", "background", "prepareUnique"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A collection's indexes, and its validator if it has one.

    `retired` are indexes of the previous release that `indexes` replace.
    """

    collection: str
    indexes: Indexes
    validator: Mapping[str, Any] | None = None
    retired: Indexes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """An index or a validator (`VALIDATOR`) that is missing or differs from its definition."""

    collection: str
    name: str
    is_missing: bool

    @property
    def path(self) -> str:
        """Return the full name of the index or validator, as `interactions.turn`."""
        return f"{self.collection}.{self.name}"


def find_differences(
    database: Database[Document], definitions: Sequence[Definition]
) -> list[Difference]:
    """Return every index and validator that is missing or differs; further indexes are allowed.

    Sends one command for all validators, and one for the indexes of each collection.
    """
    options = collection_options(database, definitions) if is_real(database) else {}
    found = list[Difference]()
    for definition in definitions:
        found += index_differences(database, definition)
        if definition.validator is not None and is_real(database):
            stored = options.get(definition.collection, {})
            if not is_enforced(definition.validator, stored):
                is_missing = not stored.get("validator")
                found.append(Difference(definition.collection, VALIDATOR, is_missing))
    return found


def collection_options(
    database: Database[Document], definitions: Sequence[Definition]
) -> dict[str, Document]:
    """Return the options of each existing collection, including its validator."""
    names = [definition.collection for definition in definitions]
    found = database.list_collections(filter={"name": {"$in": names}})
    return {collection["name"]: collection.get("options", {}) for collection in found}


def stored_indexes(database: Database[Document], collection: str) -> dict[str, Document]:
    """Return the collection's finished indexes by name; none if it does not exist.

    An index that is being built is missing: it serves no query yet, and its build may fail.
    """
    if not is_real(database):
        return dict(database[collection].index_information())
    command = {"listIndexes": collection, "includeBuildUUIDs": True}
    try:
        found = database.command(command)["cursor"]["firstBatch"]
    except OperationFailure as error:
        if error.code != _NO_COLLECTION:
            raise
        return {}
    finished = [dict(each) for each in found if "buildUUID" not in each]
    return {each.pop("name"): each | {"key": list(each["key"].items())} for each in finished}


def changed_options(stored: Mapping[str, Any], options: Mapping[str, Any]) -> set[str]:
    """Return the names of the options in which a stored index differs from its definition."""
    held = {
        name: value
        for name, value in stored.items()
        if name not in _INCIDENTAL and value is not False
    }
    names = held.keys() | options.keys()
    return {name for name in names if not _is_same(held.get(name), options.get(name))}


def _is_same(stored: Any, defined: Any) -> bool:
    # The driver returns instants in options without their time zone.
    return stored == defined or encode({"option": stored}) == encode({"option": defined})


def is_as_defined(
    stored: Mapping[str, Any], keys: Sequence[str], options: Mapping[str, Any]
) -> bool:
    """Return True if a stored index has exactly these keys and options."""
    return has_keys(stored, keys) and not changed_options(stored, options)


def has_keys(stored: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Return True if a stored index has these keys in this order, all ascending."""
    return list(stored["key"]) == [(key, 1) for key in keys]


def is_real(database: Database[Document]) -> bool:
    """Return False for the in-memory twin, which has no validators and ignores some options."""
    return isinstance(database.client, MongoClient)


def index_differences(database: Database[Document], definition: Definition) -> Iterator[Difference]:
    """Yield every index of the collection that is missing or differs from its definition."""
    existing = stored_indexes(database, definition.collection)
    for name, (keys, options) in definition.indexes.items():
        stored = existing.get(name)
        if stored is None:
            yield Difference(definition.collection, name, is_missing=True)
        elif is_real(database) and not is_as_defined(stored, keys, options):
            yield Difference(definition.collection, name, is_missing=False)
