"""Case `archiving`: one day by the real archiver, beside a bare aggregate and two `update_many`.

Each side archives a fresh copy of the same rows with the same indexes, in a process of its own.
"""

import subprocess
import sys
from collections.abc import Iterator

import orjson

from bench.pairs import Bar, Result, Sample, Side
from bench.processes import cpu_s
from bench.sizes import Sizes
from bench.stage import Stage
from bench.turns import rows
from tests.servers import ROOT
from tests.turns import DAY_MS, new_account, now_ms

BAR = Bar(floor=0.7, goal=1.0)
# Flat: what is in memory does not depend on how many turns there are.
MOST_GROWTH_MB = 32
MEMORY = Bar(floor=MOST_GROWTH_MB, goal=MOST_GROWTH_MB / 2, is_cost=True)
FLATNESS = Bar(floor=1.5, goal=1.1, is_cost=True)


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Load the turns of yesterday once, then archive copies of them."""
    first_ms = now_ms() // DAY_MS * DAY_MS - DAY_MS
    stage.load("archiving", rows(new_account(), first_ms, 1, sizes.turns))
    ours, theirs = archiving(stage, "archiver", sizes.turns), archiving(stage, "bare", sizes.turns)
    found = [(ours(), theirs()) for _ in range(sizes.pairs)]
    yield Result("archiving", "bare aggregate + 2 update_many", "turns/s", found, BAR)
    grown = [
        (Sample(ours.beside["grown_mb"] + 1), Sample(ours.beside["grown_mb_quarter"] + 1))
        for ours, _ in found
    ]
    yield Result("archiving, memory", "itself at 1/4 of the turns", "MB grown + 1", grown, FLATNESS)
    against = [(Sample(ours.beside["grown_mb"]), Sample(1)) for ours, _ in found]
    yield Result("archiving, memory", "1 MB", "MB grown", against, MEMORY)
    stage.client.drop_database("archiving")


def archiving(stage: Stage, way: str, turns: int) -> Side:
    """Measure turns a second, memory of the process, and CPU seconds of it and of mongod."""

    def sample() -> Sample:
        name = f"archiving_{way}"
        stage.copy("archiving", name)
        before_s = cpu_s(stage.mongod_id)
        done = subprocess.run(
            [sys.executable, "-m", "bench.archive_day", way, stage.url_of(name), str(turns)],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        measured = orjson.loads(done.stdout)
        if measured["turns"] != turns:
            raise AssertionError(f"{way} archived {measured['turns']} of {turns} turns")
        beside = measured | {"cpu_s_mongod": cpu_s(stage.mongod_id) - before_s}
        stage.client.drop_database(name)
        return Sample(turns / measured["seconds"], beside)

    return sample
