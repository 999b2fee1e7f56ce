"""Case `server`: Granian by RSGI beside the worker of before it, gunicorn's own, Granian by WSGI.

All four serve the same ledger and run at the same time. A round asks each of them in turn. The
worker of before runs the application of its own commit.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from app.interactions.store import COLLECTION
from bench.admission import PATH as ME
from bench.earlier import checked_out
from bench.fastify import PATH as PAGE
from bench.ledger import Ledger, full_ledger
from bench.openloop import offered
from bench.pairs import Bar, Result, Sample, Side, rounds
from bench.processes import await_rest
from bench.recording import batches, singles
from bench.sites import SERVICE, getting, running, running_program
from bench.sizes import Sizes
from bench.stage import Stage
from tests.servers import RunningService, ServerKind

OURS = "Granian RSGI"
BEFORE_COMMIT = "2b98f09"
BEFORE = f"our worker of {BEFORE_COMMIT}"
PEERS = (BEFORE, "gunicorn gthread", "Granian WSGI")
READING = {"GET /v1/me": ME, "list of 20": PAGE}
WRITING = {"recording": singles, "batch of 500": batches}
CONNECTIONS = (16, 64, 256)
FASTER = Bar(floor=1.2, goal=1.3)
TAIL = Bar(floor=1, goal=0.8, is_cost=True)
# Of what the worker of before answers, so that no server is overloaded.
OPEN_SHARE = 0.5

Sites = Mapping[str, RunningService]
Round = Mapping[str, Sample]


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Start the four, ask for reading at each number of connections, then for recording."""
    ledger = full_ledger(stage, sizes.turns)
    with _standing(stage, ledger) as sites:
        for request, path in READING.items():
            for connections in CONNECTIONS:
                asked = replace(sizes, connections=connections)
                case = f"server, {request}, {connections} connections"
                yield from _closed(case, sites, path, ledger, stage, asked)
        # Our validator refuses rows of the earlier release. Without it all four do the same work.
        stage.database(ledger.database).command("collMod", COLLECTION, validator={})
        for request, side in WRITING.items():
            sides = {name: side(stage, site, ledger, sizes) for name, site in sites.items()}
            yield from beside_all(f"server, {request}", "turns/s", _taken(sides, sizes), None)


@contextmanager
def _standing(stage: Stage, ledger: Ledger) -> Iterator[Sites]:
    """Run the four servers; yield them by name, ours first."""
    counters = stage.folder / "counters"
    counters.mkdir()
    environ = ledger.environ | {"PROMETHEUS_MULTIPROC_DIR": str(counters)}
    wsgi = [sys.executable, "-m", "bench.peers.granian_wsgi"]
    with ExitStack() as stack:
        enter = stack.enter_context
        earlier = enter(checked_out(BEFORE_COMMIT, stage.folder / BEFORE_COMMIT))
        yield {
            OURS: enter(running(stage, ledger)),
            BEFORE: enter(_running_earlier(stage, ledger, earlier)),
            PEERS[1]: enter(running(stage, ledger, ServerKind.GUNICORN)),
            PEERS[2]: enter(running_program(stage, wsgi, environ, ME, ledger.headers)),
        }


@contextmanager
def _running_earlier(stage: Stage, ledger: Ledger, folder: Path) -> Iterator[RunningService]:
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", SERVICE]
    with running_program(
        stage, command, ledger.environ, ME, ledger.headers, folder=folder
    ) as service:
        yield service


def _closed(
    case: str, sites: Sites, path: str, ledger: Ledger, stage: Stage, sizes: Sizes
) -> Iterator[Result]:
    """Measure as many requests as the connections allow, then half of that by a schedule."""
    sides = {
        name: getting(site, path, ledger.headers, stage, sizes) for name, site in sites.items()
    }
    taken = _taken(sides, sizes)
    yield from beside_all(case, "requests/s", taken, FASTER)
    yield p99(case, taken)
    rate_per_s = OPEN_SHARE * median(each[BEFORE].figure for each in taken)
    paced = {
        name: partial(_paced, sites[name], path, ledger, sizes, rate_per_s)
        for name in (OURS, BEFORE)
    }
    yield p99(f"{case}, open loop", _taken(paced, sizes))


def _taken(sides: Mapping[str, Side], sizes: Sizes) -> list[Round]:
    found = rounds(list(sides.values()), sizes.pairs)
    return [dict(zip(sides, samples, strict=True)) for samples in found]


def beside_all(case: str, unit: str, taken: list[Round], bar: Bar | None) -> Iterator[Result]:
    """Compare ours with each peer; only the earlier worker sets a floor."""
    for peer in PEERS:
        pairs = [(each[OURS], each[peer]) for each in taken]
        yield Result(case, peer, unit, pairs, bar if peer == BEFORE else None)


def p99(case: str, taken: list[Round]) -> Result:
    """Compare the slowest hundredth of the same samples with the worker of before."""
    pairs = [(_tail(each[OURS]), _tail(each[BEFORE])) for each in taken]
    return Result(f"{case}, p99", BEFORE, "ms", pairs, TAIL)


def _tail(sample: Sample) -> Sample:
    return Sample(sample.beside["p99_ms"], {"p50_ms": sample.beside["p50_ms"]})


def _paced(
    site: RunningService, path: str, ledger: Ledger, sizes: Sizes, rate_per_s: float
) -> Sample:
    """Measure answers a second, and latencies from when each request was due."""
    answers = offered(
        site.base_url + path,
        ledger.headers,
        rate_per_s=rate_per_s,
        seconds=sizes.seconds,
        connections=sizes.connections,
    )
    if answers.refused_count:
        raise AssertionError(f"{path}: {answers.refused_count} were refused")
    await_rest(site.process_id)
    return Sample(answers.per_s, {"p50_ms": answers.ms(0.5), "p99_ms": answers.ms(0.99)})
