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
# Options and indexes of a collection that was created by its first row.
_BY_A_ROW = ({}, {"_id_"})


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
    found = {
        each["name"]: (each["options"], database[each["name"]].index_information())
        for each in database.list_collections()
    }
    return {
        name: about for name, about in found.items() if (about[0], about[1].keys()) != _BY_A_ROW
    }


def _empty(database: Database[Document]) -> bool:
    """Delete all rows and return True, unless there are too many."""
    if database.command("dbStats")["objects"] > MOST_ROWS_COUNT:
        return False
    for name in database.list_collection_names():
        database[name].delete_many({})  # also where the estimate, which may be wrong, is 0
    return True
