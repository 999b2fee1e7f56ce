"""The tenancy store on each kind of database."""

from typing import Any

import pytest
from pymongo.database import Database

from app.tenancy.store import TenancyStore
from tests.schema import make_schema


@pytest.fixture
def store(mongo_database: Database[dict[str, Any]]) -> TenancyStore:
    """An empty store with its indexes."""
    make_schema(mongo_database)
    return TenancyStore(mongo_database)
