"""An archiver that never rests, to be killed: `python -m tests.faults.kit.archiver_program URI`."""

import sys

from app.backends import OUTAGES, Backend, live
from app.usage.archive import Archiver
from app.usage.store import UsageStore
from config.settings import BackendKind
from tests.servers import settings_for

BATCH_COUNT = 25


def connect(uri: str) -> Backend:
    """The ledger's database as the service speaks to it; nobody asks the Redis."""
    settings = settings_for(
        backend=BackendKind.LIVE, mongodb_uri=uri, redis_url="redis://127.0.0.1:1/0"
    )
    return live.connect(settings)


def main(uri: str) -> None:
    """Archive again and again; a database that is ill is tried again."""
    archiver = Archiver(UsageStore(connect(uri).maintenance_database), BATCH_COUNT)
    while True:
        try:
            archiver.run()
        except OUTAGES:
            continue


if __name__ == "__main__":
    main(sys.argv[1])
