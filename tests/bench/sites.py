"""Servers under load: the service and its peers, behind gunicorn as the service is set up."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count

import httpx

from tests.bench.ledger import Ledger
from tests.bench.pairs import Sample, Side
from tests.bench.processes import await_rest, cpu_meter, largest_child_mb
from tests.bench.sizes import WORKERS_COUNT, Sizes
from tests.bench.stage import Stage
from tests.bench.wrk import Load, loaded
from tests.servers import RunningService, running_service

SERVICE = "wsgi:app"
_numbers = count(1)


@contextmanager
def running(
    stage: Stage, ledger: Ledger, application: str = SERVICE, **environ: str
) -> Iterator[RunningService]:
    """The service on a ledger, or a peer with the same worker class, workers and threads."""
    log = stage.folder / f"gunicorn_{next(_numbers)}.log"
    with running_service(
        ledger.environ | environ, log, workers_count=WORKERS_COUNT, application=application
    ) as service:
        yield service


def get(site: RunningService, path: str, headers: Mapping[str, str]) -> httpx.Response:
    """One answer; AssertionError unless it is a 200."""
    answer = httpx.get(site.base_url + path, headers=dict(headers), timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def getting(
    site: RunningService,
    path: str,
    headers: Mapping[str, str],
    stage: Stage,
    sizes: Sizes,
    *,
    is_refused: bool = False,
) -> Side:
    """Requests a second; AssertionError if they are not all answered, or (nearly) all refused."""

    def sample() -> Sample:
        meter = cpu_meter({"app": site.process_id, **stage.stores})
        load = loaded(
            site.base_url + path, headers, seconds=sizes.seconds, connections=sizes.connections
        )
        share = load.refused_count / load.count
        if (is_refused and share < 0.99) or (not is_refused and load.refused_count):
            raise AssertionError(f"{path}: {load.refused_count} of {load.count} were refused")
        return sample_of(load, meter(load.count), site)

    return sample


def sample_of(
    load: Load, cpu: Mapping[str, float], site: RunningService, *, units: int = 1
) -> Sample:
    """What a load says of a site, in units a second; the site is at rest afterwards."""
    rss_mb = largest_child_mb(site.process_id)
    await_rest(site.process_id)
    beside = {"p50_ms": load.p50_ms, "p99_ms": load.p99_ms, **cpu, "rss_mb": rss_mb}
    return Sample(load.per_s * units, beside)
