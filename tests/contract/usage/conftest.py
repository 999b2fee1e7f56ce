"""A ledger with roll-ups, on each kind of store."""

from typing import Any

import pytest
from pymongo.database import Database

from app.interactions.store import InteractionStore
from app.usage.store import UsageStore
from tests.contract.usage.ledger import Books


@pytest.fixture
def books(mongo_database: Database[dict[str, Any]], request: pytest.FixtureRequest) -> Books:
    """An empty account."""
    is_live = request.node.callspec.params.get("mongo_database") == "live"
    InteractionStore(mongo_database).ensure_schema(has_validators=is_live)
    UsageStore(mongo_database).ensure_schema()
    return Books(mongo_database)
