"""Cases `latency` and `overload`: an open loop at half of capacity, and at ten times it."""

from collections.abc import Iterator

from bench.admission import PATH as ME
from bench.fastify import PATH as PAGE
from bench.ledger import Ledger, empty_ledger, full_ledger
from bench.openloop import offered
from bench.pairs import Bar, Pair, Result, Sample, Side, alternated
from bench.processes import await_rest, cpu_meter
from bench.sites import running
from bench.sizes import Sizes
from bench.stage import Stage
from bench.wrk import loaded
from tests.servers import RunningService

TAIL = Bar(floor=8, goal=5, is_cost=True)
PLATEAU = Bar(floor=0.7, goal=0.8)
OVERLOAD = 10


def run(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Learn the capacity for each kind of request, then offer half of it."""
    ledger = full_ledger(stage, sizes.turns)
    with running(stage, ledger) as service:
        for path in (ME, PAGE):
            _paced(service, path, ledger, sizes)  # its first requests do not count
            pairs = [_paced(service, path, ledger, sizes) for _ in range(sizes.pairs)]
            yield Result("latency, p99", f"p50 ({path})", "ms", pairs, TAIL)


def run_overload(stage: Stage, sizes: Sizes) -> Iterator[Result]:
    """Offer ten times the capacity over the usual connections, and over ten times as many."""
    ledger = empty_ledger(stage)
    with running(stage, ledger) as service:
        rate_per_s = OVERLOAD * _capacity_per_s(service, ME, ledger, sizes)
        flooded, usual = (
            _flooded(service, ledger, stage, sizes, rate_per_s, connections)
            for connections in (OVERLOAD * sizes.connections, sizes.connections)
        )
        pairs = alternated(flooded, usual, sizes.pairs)
        yield Result("overload", "its peak", "answers/s", pairs, PLATEAU)


def _capacity_per_s(site: RunningService, path: str, ledger: Ledger, sizes: Sizes) -> float:
    url, connections = site.base_url + path, sizes.connections
    load = loaded(url, ledger.headers, seconds=sizes.seconds, connections=connections)
    await_rest(site.process_id)
    return load.per_s


def _paced(site: RunningService, path: str, ledger: Ledger, sizes: Sizes) -> Pair:
    """Measure p99 and p50 of the same requests; looks up the capacity each time."""
    rate_per_s = _capacity_per_s(site, path, ledger, sizes) / 2
    answers = offered(
        site.base_url + path,
        ledger.headers,
        rate_per_s=rate_per_s,
        seconds=2 * sizes.seconds,
        connections=sizes.connections,
    )
    due_count = int(rate_per_s * 2 * sizes.seconds)
    beside = {"offered_per_s": rate_per_s, "share_answered": len(answers.took_s) / due_count}
    return Sample(answers.ms(0.99), beside), Sample(answers.ms(0.5), beside)


def _flooded(
    site: RunningService,
    ledger: Ledger,
    stage: Stage,
    sizes: Sizes,
    rate_per_s: float,
    connections: int,
) -> Side:
    """Measure answers a second under more load than can be answered."""

    def sample() -> Sample:
        meter = cpu_meter({"app": site.process_id, **stage.stores})
        answers = offered(
            site.base_url + ME,
            ledger.headers,
            rate_per_s=rate_per_s,
            seconds=sizes.seconds,
            connections=connections,
        )
        if answers.refused_count:
            raise AssertionError(f"{answers.refused_count} were refused")
        beside = {"p50_ms": answers.ms(0.5), "p99_ms": answers.ms(0.99)}
        return Sample(answers.per_s, beside | meter(len(answers.took_s)))

    return sample
