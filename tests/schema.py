"""Indexes and validators for tests that have a database and no application."""

from typing import Any

from bson import json_util
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from app.backends.definitions import Definition, Indexes
from app.backends.indexes import NO_BOUND, State
from app.backends.time_limits import bounded
from app.interactions.store import COLLECTION
from app.schema import DatabaseSchema
from tests.servers import ROOT

Rows = Database[dict[str, Any]]
PREVIOUS_RELEASE = ROOT / "tests" / "live" / "previous_release"


def read_previous(name: str) -> Any:
    """Return what the code of the previous release made; see `tests/live/previous_release`."""
    return json_util.loads((PREVIOUS_RELEASE / f"{name}.json").read_text("utf-8"))


# The collection of turns as the previous release defines it.
PREVIOUS = Definition(COLLECTION, read_previous("indexes"), read_previous("validator"))


def make_schema(database: Rows) -> None:
    """Create the indexes and validators of this release."""
    states = {outcome.state for outcome in DatabaseSchema(database, database).ensure()}
    assert State.BLOCKED not in states


def make_previous_schema(database: Rows) -> None:
    """Create the collection of turns as the previous release does; its rows may exist already."""
    if COLLECTION not in database.list_collection_names():
        database.create_collection(COLLECTION)
    change = {"validationLevel": "moderate", "validationAction": "error"}
    database.command({"collMod": COLLECTION, "validator": PREVIOUS.validator, **change})
    with bounded(NO_BOUND):
        database[COLLECTION].create_indexes(models_of(PREVIOUS.indexes))


def models_of(indexes: Indexes) -> list[IndexModel]:
    """Return the driver's models of these indexes."""
    return [
        IndexModel([(key, ASCENDING) for key in keys], name=name, **options)
        for name, (keys, options) in indexes.items()
    ]
