"""Indexes and validators for tests that have a database and no application."""

from typing import Any

from pymongo.database import Database

from app.backends.indexes import State
from app.schema import DatabaseSchema


def make_schema(database: Database[dict[str, Any]]) -> None:
    """Create the indexes and validators of this release."""
    states = {outcome.state for outcome in DatabaseSchema(database, database).ensure()}
    assert State.BLOCKED not in states
