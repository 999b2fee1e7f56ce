"""Chores that scan use the maintenance clients."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import mongomock
import pytest

from app.backends.backend import Backend
from app.clients import MaintenanceDatabase
from app.services import Services
from app.wiring import build
from tests.servers import settings_for


@pytest.fixture
def maintenance() -> MaintenanceDatabase:
    """A database that no request client reads."""
    return MaintenanceDatabase(mongomock.MongoClient(tz_aware=True)["maintenance"])


@pytest.fixture
def services(memory_backend: Backend, maintenance: MaintenanceDatabase) -> Services:
    """Services over two databases, one for each kind of client."""
    return build(settings_for(), replace(memory_backend, maintenance_database=maintenance))


def test_keys_are_removed_by_the_maintenance_client(
    services: Services, maintenance: MaintenanceDatabase
) -> None:
    maintenance["api_keys"].insert_one({"revoked_at": datetime(2020, 1, 1, tzinfo=UTC)})

    assert services.rooms.tenancy.ended_keys.remove(timedelta(days=90)) == 1


def test_the_archive_reads_organizations_by_the_maintenance_client(
    services: Services, maintenance: MaintenanceDatabase
) -> None:
    maintenance["organizations"].insert_one({"name": "by hand"})

    services.rooms.usage.archive_pass.run()

    assert services.rooms.usage.notes.faults().failures == 1
