"""The tenancy store on each kind of database."""

from typing import Any

import pytest
from pymongo.database import Database

from app.tenancy.store import TenancyStore


@pytest.fixture
def store(mongo_database: Database[dict[str, Any]]) -> TenancyStore:
    """An empty store with its indexes."""
    empty = TenancyStore(mongo_database)
    empty.ensure_schema()
    return empty
