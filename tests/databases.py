"""Reuse databases with the schema for one test after the other.

Creating the collections and indexes of a database takes a hundred times as long as emptying them.
"""

import itertools
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from tests.schema import make_schema

Document = dict[str, Any]
# Dropping a database that holds more is faster than emptying it.
MOST_ROWS_COUNT = 1_000
# Options that differ between two collections of the same definition.
_OWN = {"uuid"}
# Options and indexes of a collection that was created by its first row.
_BY_A_ROW = ({}, [{"v": 2, "key": {"_id": 1}, "name": "_id_"}])


class Databases:
    """Lends databases of one server; a database with a changed schema is not reused."""

    def __init__(self, client: MongoClient[Document]) -> None:
        self._client = client
        self._ready: list[str] = []
        self._made: dict[str, Any] = {}
        self._numbers = itertools.count(1)

    def borrow(self) -> str:
        """Return the name of a database that has the schema and no rows."""
        if self._ready:
            return self._ready.pop()
        name = f"test_{next(self._numbers)}"
        make_schema(self._client[name])
        self._made = _schema_of(self._client[name])
        return name

    def give_back(self, name: str) -> None:
        """Empty the database for the next borrower; drop it if its schema was changed."""
        database = self._client[name]
        if _schema_of(database) == self._made and _empty(database):
            self._ready.append(name)
        else:
            self._client.drop_database(name)


def _schema_of(database: Database[Document]) -> dict[str, Any]:
    """Return options and indexes of each collection that was not made by its first row."""
    catalogue = database.client["admin"].aggregate(
        [{"$listCatalog": {}}, {"$match": {"db": database.name}}]
    )
    found = {each["name"]: _about(each) for each in catalogue}
    return {name: about for name, about in found.items() if about != _BY_A_ROW}


def _about(entry: Document) -> tuple[Document, list[Document]]:
    """Return the options of a collection, without its random id, and its indexes."""
    if entry["type"] != "collection":
        return entry, []
    options = {name: entry["md"]["options"][name] for name in entry["md"]["options"].keys() - _OWN}
    return options, [index["spec"] for index in entry["md"]["indexes"]]


def _empty(database: Database[Document]) -> bool:
    """Delete all rows and return True, unless there are too many."""
    if database.command("dbStats")["objects"] > MOST_ROWS_COUNT:
        return False
    for name in _filled(database):
        database[name].delete_many({})
    return True


def _filled(database: Database[Document]) -> list[str]:
    """Return the collections with rows, by reading; their estimated numbers may be wrong."""
    first, *others = database.list_collection_names()
    united = [{"$unionWith": {"coll": name, "pipeline": _one_of(name)}} for name in others]
    return [found["name"] for found in database[first].aggregate([*_one_of(first), *united])]


def _one_of(name: str) -> list[Document]:
    return [{"$limit": 1}, {"$project": {"_id": 0, "name": {"$literal": name}}}]
