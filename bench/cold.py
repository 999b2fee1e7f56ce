"""Case `cold`: how long a worker takes to import the service, and how large it grows."""

import subprocess
from collections.abc import Iterator

from bench.admission import PATH as ME
from bench.deployed import deployed_python
from bench.fastify import PATH as PAGE
from bench.ledger import Ledger, full_ledger
from bench.pairs import Bar, Result, Sample
from bench.processes import largest_child_mb
from bench.sites import getting, running
from bench.sizes import Sizes
from bench.stage import Stage
from tests.servers import ROOT

IMPORT = Bar(floor=600, goal=500, is_cost=True)
MEMORY = Bar(floor=140, goal=110, is_cost=True)
_TIMED = (
    "import time; start = time.perf_counter(); import wsgi; "
    "print((time.perf_counter() - start) * 1_000, time.process_time() * 1_000)"
)


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Import so many times; then load a fresh service so many times and look at its workers.

    The import is that of a deploy whose console is on.
    """
    ledger = full_ledger(stage, sizes.turns)
    _import(ledger)
    imports = [(_import(ledger), Sample(1)) for _ in range(sizes.pairs)]
    yield Result("cold import", "1 ms", "ms", imports, IMPORT)
    workers = [(_grown(stage, ledger, sizes), Sample(1)) for _ in range(sizes.pairs)]
    yield Result("memory of a worker", "1 MB", "MB", workers, MEMORY)


def _import(ledger: Ledger) -> Sample:
    command = [str(deployed_python()), "-c", _TIMED]
    done = subprocess.run(command, cwd=ROOT, env=ledger.environ, check=True, capture_output=True)
    wall_ms, cpu_ms = map(float, done.stdout.split())
    return Sample(wall_ms, {"cpu_ms": cpu_ms})


def _grown(stage: Stage, ledger: Ledger, sizes: Sizes) -> Sample:
    """Measure the largest worker after both kinds of reading."""
    with running(stage, ledger) as service:
        for path in (ME, PAGE):
            getting(service, path, ledger.headers, stage, sizes)()
        return Sample(largest_child_mb(service.process_id))
