"""The tenancy store on each kind of database."""

from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from app.audit.store import AuditStore
from app.audit.trail import AuditTrail
from app.tenancy.store import TenancyStore
from tests.schema import make_schema


def trail_beside(store: TenancyStore) -> AuditTrail:
    """Return an audit trail in the database of `store`."""
    return AuditTrail(AuditStore(store._keys.database), timedelta(days=730))


@pytest.fixture
def store(mongo_database: Database[dict[str, Any]]) -> TenancyStore:
    """An empty store with its indexes."""
    make_schema(mongo_database)
    return TenancyStore(mongo_database)
