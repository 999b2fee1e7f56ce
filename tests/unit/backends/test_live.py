"""Clients of real servers meet the ledger's needs, whatever their addresses ask for."""

from contextlib import suppress

import pytest
from pymongo import ReadPreference

from app.backends import live
from app.backends.outages import OUTAGES
from config.settings import BackendKind
from tests.corpus.variables import VARIABLES, good_environ
from tests.servers import settings_for

pytestmark = pytest.mark.slow  # seconds of work

ADDRESS = "mongodb://127.0.0.1:1/ledger"


@pytest.mark.parametrize(
    "options",
    ["", "?readPreference=secondaryPreferred", "?readPreference=nearest&readConcernLevel=local"],
)
def test_reads_use_the_primary_and_a_majority(options: str) -> None:
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


@pytest.mark.parametrize(
    ("name", "address"),
    [
        (variable.name, variable.value.strip())
        for variable in VARIABLES
        if variable.name in {"MONGODB_URI", "REDIS_URL"} and not variable.refused
    ],
)
def test_the_drivers_can_use_every_address_that_the_settings_accept(
    name: str, address: str
) -> None:
    addresses = good_environ() | {name: address}
    backend = live.connect(
        settings_for(
            backend=BackendKind.LIVE,
            mongodb_uri=addresses["MONGODB_URI"],
            redis_url=addresses["REDIS_URL"],
            redis_timeout_ms=100,
            mongodb_timeout_ms=100,
        )
    )
    ask = backend.redis.ping if name == "REDIS_URL" else lambda: backend.database.command("ping")
    with suppress(*OUTAGES):  # a developer may have a server there
        ask()
    backend.close()
