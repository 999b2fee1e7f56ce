"""Case `record_many`: the package for producers beside the same batches as bare requests.

Both record into the service of an Enterprise plan on this machine, which client and service share.
The goal of the package is 7,000 turns a second on two cores.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from bench.ledger import Ledger, empty_ledger
from bench.pairs import Bar, Result, Sample, Side, alternated
from bench.processes import cpu_meter
from bench.recording import batches
from bench.sites import running
from bench.sizes import Sizes
from bench.stage import Stage
from tests.servers import ROOT, RunningService

TURNS_PER_S = 20_000
ENTERPRISE = {"requests_per_second": 500, "burst": 1_000}
BAR = Bar(floor=0.5, goal=0.7)


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Measure `record_many` beside requests whose bodies are made before."""
    ours, theirs = empty_ledger(stage, **ENTERPRISE), empty_ledger(stage, **ENTERPRISE)
    with running(stage, ours) as service, running(stage, theirs) as bare:
        pairs = alternated(
            recorded(stage, service, ours, sizes),
            batches(stage, bare, theirs, sizes),
            sizes.pairs,
        )
        yield Result("record_many", "bare batches of 500", "turns/s", pairs, BAR)


def recorded(stage: Stage, site: RunningService, ledger: Ledger, sizes: Sizes) -> Side:
    """Measure turns a second that the package records; AssertionError unless all are stored."""
    stored = stage.database(ledger.database)["interactions"]
    count = TURNS_PER_S * sizes.seconds
    key = ledger.headers["Authorization"].removeprefix("Bearer ")
    command = [sys.executable, "-m", "bench.producer", site.base_url, key, str(count)]
    sources = str(ROOT / "clients" / "python" / "src")

    def sample() -> Sample:
        before_count = stored.count_documents({})
        meter = cpu_meter({"app": site.process_id, **stage.stores})
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": sources},
            check=True,
            capture_output=True,
        )
        beside = meter(count)
        if stored.count_documents({}) - before_count != count:
            raise AssertionError("not every turn that was answered is stored")
        return Sample(count / json.loads(done.stdout)["seconds"], beside)

    return sample
