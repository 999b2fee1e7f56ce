"""One customer sends ten times its rate, or many slow requests; another is not affected."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from statistics import median
from subprocess import DEVNULL
from typing import Any

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from devkit.children import spawn
from tests.callers import LIST, Caller, http_client, log_lines, new_caller
from tests.exports import fill
from tests.faults.kit.load import Load, Shot, percentile_ms, shoot
from tests.servers import ROOT, RunningService, ServerKind, wait_until
from tests.turns import stateful

Serve = Callable[..., tuple[RunningService, Flask]]
ME = "/v1/me"
# Summed from raw turns, all of them this user's.
SLOW = f"{LIST}/aggregates?user_id=u_busy"
# A Pro organization may send 25 a second.
QUIET_PER_SECOND = 20
NOISY_PER_SECOND = 250
# Both are measured alternately, so that other work on the machine slows both alike.
MEASURED_S = 2.5
BRIEFLY_S = 1.5
MOST_TIMES_THE_BASELINE = 2
MOST_TIMES_BESIDE_SLOW_REQUESTS = 3


@contextmanager
def noise(
    service: RunningService,
    caller: Caller,
    until: Callable[[Counter[int]], bool],
    *,
    page: str = f"{LIST}?limit=1",
    connections_count: int = 16,
) -> Iterator[None]:
    """Send `NOISY_PER_SECOND` requests of `caller` a second while the block runs.

    The block begins when `until` is true for the statuses of the answers so far.
    """
    words = [service.base_url + page, caller.token, str(NOISY_PER_SECOND), str(connections_count)]
    before = statuses_of(service, caller)
    process = spawn(
        [sys.executable, "-m", "tests.faults.kit.noise", *words], output=DEVNULL, folder=ROOT
    )
    try:
        # Reading the log takes CPU too.
        wait_until(lambda: until(statuses_of(service, caller) - before), 30, every_s=0.2)
        yield
    finally:
        process.kill()
        process.wait()


def statuses_of(service: RunningService, caller: Caller) -> Counter[int]:
    """Return the number of the caller's answers by status."""
    lines = log_lines(service)
    return Counter(
        line["status"] for line in lines if line["organization"] == caller.organization.id
    )


def measured(
    service: RunningService,
    caller: Caller,
    seconds: float,
    page: str = LIST,
    beside: AbstractContextManager[None] | None = None,
) -> list[Shot]:
    """Measure a customer within its limits; check that all its answers are successful.

    With `beside` it sends for a second before the other customer starts, and only later answers
    count.
    """
    shots: list[Shot] = []
    with http_client(service, caller) as client:
        ask = lambda _: shots.append(shoot(lambda: client.get(page))[0])  # noqa: E731
        with Load(ask, QUIET_PER_SECOND, threads_count=4) as load:
            load.last(1 if beside else 0)
            with beside or nullcontext():
                since_s, _ = load.last(seconds)
    assert {shot.status for shot in shots} == {200}
    return [shot for shot in shots if shot.answered_at_s >= since_s]


def figures_of(alone: list[list[Shot]], beside: list[list[Shot]]) -> dict[str, Any]:
    """Return the latencies of the median round: one pause of the machine does not count."""
    return {
        f"p{percent}_{name}_ms": median(percentile_ms(shots, percent) for shots in rounds)
        for percent in (50, 99)
        for name, rounds in (("alone", alone), ("beside", beside))
    }


def assert_the_other_is_served(
    serve: Serve, rounds_count: int, seconds: float = MEASURED_S
) -> dict[str, Any]:
    """Return the latencies of a customer alone, and beside one at ten times its rate."""
    service, app = serve(workers_count=2)
    quiet, noisy = new_caller(app, "pro"), new_caller(app, "pro")
    measured(service, quiet, 1)  # connections, caches
    alone: list[list[Shot]] = []
    beside: list[list[Shot]] = []
    for _ in range(rounds_count):
        alone.append(measured(service, quiet, seconds))
        with noise(service, noisy, lambda statuses: statuses[429] > NOISY_PER_SECOND):
            beside.append(measured(service, quiet, seconds))
    refused = statuses_of(service, noisy)[429]
    return {"rounds": rounds_count, "refused_to_the_other": refused, **figures_of(alone, beside)}


def assert_the_other_is_served_beside_slow_requests(
    serve: Serve,
    kind: ServerKind,
    turns_count: int,
    rounds_count: int,
    seconds: float = MEASURED_S,
) -> dict[str, Any]:
    """Return latencies of `GET /v1/me` alone, and beside 32 slow requests of another customer.

    One worker: both customers share its threads. The time is enough for two concurrent slow
    requests on any machine.
    """
    long_timeouts = {"MONGODB_TIMEOUT_MS": "25000", "REQUEST_DEADLINE_S": "30"}
    service, app = serve(workers_count=1, kind=kind, **long_timeouts)
    quiet, noisy = new_caller(app), new_caller(app)
    with app.app_context():
        fill(provided(Backend).database, noisy.account, turns_count, stateful(user_id="u_busy"))
    measured(service, quiet, 1, ME)  # connections, caches
    # Requests that began before the other customer's are complete by then.
    is_begun = lambda statuses: statuses[429] >= 100 and len(statuses) > 1  # noqa: E731
    alone: list[list[Shot]] = []
    beside: list[list[Shot]] = []
    for _ in range(rounds_count):
        alone.append(measured(service, quiet, seconds, ME))
        slow = noise(service, noisy, is_begun, page=SLOW, connections_count=32)
        beside.append(measured(service, quiet, seconds, ME, slow))
    statuses = statuses_of(service, noisy)
    assert set(statuses) == {200, 429}, statuses
    figures = figures_of(alone, beside)
    slow_ms = median(
        line["durationMs"]
        for line in log_lines(service)
        if line["route"] == f"{LIST}/aggregates" and line["status"] == 200
    )
    # A request that waits for a thread takes longer than that.
    assert figures["p50_beside_ms"] < slow_ms
    return {
        "rounds": rounds_count,
        "slow_ms": slow_ms,
        "answered_to_the_other": statuses[200],
        "refused_to_the_other": statuses[429],
        **figures,
    }


def test_a_customer_is_served_beside_one_at_ten_times_the_rate(
    serve: Serve, report_figures: Callable[..., None]
) -> None:
    report_figures(**assert_the_other_is_served(serve, 1, BRIEFLY_S))


@pytest.mark.long
def test_a_customer_is_not_slowed_by_one_at_ten_times_the_rate(
    serve: Serve, report_figures: Callable[..., None]
) -> None:
    figures = assert_the_other_is_served(serve, rounds_count=10)
    report_figures(**figures)
    assert figures["p99_beside_ms"] <= MOST_TIMES_THE_BASELINE * figures["p99_alone_ms"]


def test_a_customer_is_served_beside_one_with_many_slow_requests(
    serve: Serve, report_figures: Callable[..., None], kind: ServerKind
) -> None:
    figures = assert_the_other_is_served_beside_slow_requests(serve, kind, 10_000, 1, BRIEFLY_S)
    report_figures(**figures)


@pytest.mark.long
def test_a_customer_is_hardly_slowed_by_one_with_many_slow_requests(
    serve: Serve, report_figures: Callable[..., None], kind: ServerKind
) -> None:
    figures = assert_the_other_is_served_beside_slow_requests(serve, kind, 50_000, 5)
    report_figures(**figures)
    assert figures["p50_beside_ms"] <= MOST_TIMES_BESIDE_SLOW_REQUESTS * figures["p50_alone_ms"]
