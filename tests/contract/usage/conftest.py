"""A ledger with roll-ups, on each kind of store."""

from typing import Any

import pytest
from pymongo.database import Database

from tests.contract.usage.ledger import Books
from tests.schema import make_schema


@pytest.fixture
def books(mongo_database: Database[dict[str, Any]]) -> Books:
    """An empty account."""
    make_schema(mongo_database)
    return Books(mongo_database)
