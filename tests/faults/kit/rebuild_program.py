"""Rebuild days without a pause until killed: `python -m tests.faults.kit.rebuild_program …`.

Takes the address of MongoDB, an account, and days of it.
"""

import sys
from collections.abc import Sequence

from app.backends.containment import Containment
from app.backends.outages import OUTAGES
from app.usage.rebuild import Rebuilder
from app.usage.rebuilding.store import RebuildStore
from tests.faults.kit.archiver_program import connect

BATCH_COUNT = 25


def main(uri: str, account: str, days: Sequence[str]) -> None:
    """Rebuild repeatedly; retry during an outage of the database."""
    rebuilder = Rebuilder(RebuildStore(connect(uri).maintenance_database, BATCH_COUNT))
    while True:
        try:
            rebuilder.rebuild([account], days, containment=Containment(lambda failure: None))
        except OUTAGES:
            continue


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
