"""Clients of real servers do what the ledger needs, whatever their addresses say."""

import pytest
from pymongo import ReadPreference

from app.backends import live
from config.settings import BackendKind
from tests.servers import settings_for

ADDRESS = "mongodb://127.0.0.1:1/ledger"


@pytest.mark.parametrize(
    "options",
    ["", "?readPreference=secondaryPreferred", "?readPreference=nearest&readConcernLevel=local"],
)
def test_what_decides_writes_is_read_from_the_primary(options: str) -> None:
    backend = live.connect(
        settings_for(
            backend=BackendKind.LIVE, mongodb_uri=ADDRESS + options, redis_url="redis://127.0.0.1:1"
        )
    )
    for database in (backend.database, backend.maintenance_database):
        rows = database["interactions"]
        assert rows.read_preference == ReadPreference.PRIMARY
        assert rows.read_concern.level == "majority"
        assert rows.write_concern.document["w"] == "majority"
    backend.close()
