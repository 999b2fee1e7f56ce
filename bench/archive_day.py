"""Archive one day in a process of its own: `python -m bench.archive_day archiver|bare URL TURNS`.

Prints one JSON object: turns, seconds, CPU seconds, and by how much memory grew at its peak, until
a quarter of the turns were archived and until all were.
"""

import sys
import time
from collections.abc import Callable
from os import getpid
from typing import Any

import orjson
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from app.backends.live import MAINTENANCE_TIMEOUT_MS
from app.interactions.retention import expiry_of
from app.usage.archive import Archiver
from app.usage.pipeline import by_day, rollups_of
from app.usage.store import UsageStore
from bench.processes import cpu_s, rss_mb

Rows = Database[dict[str, Any]]


def by_archiver(database: Rows, report: Callable[[int], None]) -> None:
    """Archive as the service does, batch by batch."""
    Archiver(UsageStore(database)).run(report)


def bare(database: Rows, report: Callable[[int], None]) -> None:
    """Claim, sum and close all turns by one operation each; works only without interference."""
    turns = database["interactions"]
    first: Any = turns.find_one({}, {"account": 1, "day": 1})
    day = {"account": first["account"], "day": first["day"]}
    turns.update_many(day | {"open": 0}, {"$set": {"open": 1}}, hint="open")
    rollups_of(turns.aggregate(by_day(day | {"open": 1}), hint="open"))
    closed = {"$unset": {"open": ""}, "$set": {"expires_at": expiry_of(first["day"])}}
    report(turns.update_many(day | {"open": 1}, closed, hint="open").modified_count)


# The archive has its time-out; a million turns in one operation would outlive it.
WAYS = {"archiver": (by_archiver, MAINTENANCE_TIMEOUT_MS), "bare": (bare, None)}


def main(way: str, url: str, turns: int) -> dict[str, float]:
    """Archive all open turns, and measure it."""
    archive, timeout_ms = WAYS[way]
    with MongoClient[dict[str, Any]](
        url, tz_aware=True, w="majority", timeoutMS=timeout_ms
    ) as client:
        database = client.get_default_database(read_concern=ReadConcern("majority"))
        database.command("ping")
        before_mb, start = rss_mb(getpid()), time.perf_counter()
        archived, grown_mb = 0, [0.0]

        def report(count: int) -> None:
            nonlocal archived
            if archived < turns / 4:
                grown_mb[0] = rss_mb(getpid(), is_peak=True) - before_mb
            archived += count

        archive(database, report)
        return {
            "turns": archived,
            "seconds": time.perf_counter() - start,
            "cpu_s_app": cpu_s(getpid()),
            "grown_mb_quarter": grown_mb[0],
            "grown_mb": rss_mb(getpid(), is_peak=True) - before_mb,
        }


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
