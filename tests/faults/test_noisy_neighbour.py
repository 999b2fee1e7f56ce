"""One customer asks ten times what he may; another does not notice it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from subprocess import DEVNULL
from typing import Any

import pytest
from flask import Flask

from app.backends.children import spawn
from tests.callers import LIST, Caller, hire, log_lines, wire
from tests.faults.kit.load import Load, Shot, percentile_ms, shoot
from tests.servers import ROOT, RunningService, wait_until

Serve = Callable[..., tuple[RunningService, Flask]]
# A Pro organization has 25 a second.
QUIET_PER_SECOND = 20
NOISY_PER_SECOND = 250
# Both are measured in turns, so that other work on the machine slows both alike.
MEASURED_S = 2.5
MOST_TIMES_THE_BASELINE = 2


@contextmanager
def noise(service: RunningService, caller: Caller) -> Iterator[None]:
    """`caller` asks ten times what he may as long as the block runs."""
    words = [f"{service.base_url}{LIST}?limit=1", caller.token, str(NOISY_PER_SECOND)]
    process = spawn(
        [sys.executable, "-m", "tests.faults.kit.noise", *words], output=DEVNULL, folder=ROOT
    )
    before = refused_count(service, caller)
    try:
        wait_until(lambda: refused_count(service, caller) > before + NOISY_PER_SECOND, 30)
        yield
    finally:
        process.kill()
        process.wait()


def refused_count(service: RunningService, caller: Caller) -> int:
    """How often the caller was told to wait."""
    lines = [line for line in log_lines(service) if line["organization"] == caller.organization.id]
    return [line["status"] for line in lines].count(429)


def measured(service: RunningService, caller: Caller, seconds: float) -> list[Shot]:
    """What a customer within his limits gets; all of it must be good."""
    shots: list[Shot] = []
    with wire(service, caller) as client:
        ask = lambda _: shots.append(shoot(lambda: client.get(LIST))[0])  # noqa: E731
        with Load(ask, QUIET_PER_SECOND, threads_count=4) as load:
            load.last(seconds)
    assert {shot.status for shot in shots} == {200}
    return shots


def typical_ms(rounds: list[list[Shot]], percent: int) -> float:
    """The median round's percentile: one hiccup of the machine is not the neighbour's."""
    return median(percentile_ms(shots, percent) for shots in rounds)


def assert_the_other_is_served(serve: Serve, rounds_count: int) -> dict[str, Any]:
    """Latencies of a customer alone, and beside one who asks ten times what he may."""
    service, app = serve(workers_count=2)
    quiet, noisy = hire(app, "pro"), hire(app, "pro")
    measured(service, quiet, 1)  # connections, caches
    alone: list[list[Shot]] = []
    beside: list[list[Shot]] = []
    for _ in range(rounds_count):
        alone.append(measured(service, quiet, MEASURED_S))
        with noise(service, noisy):
            beside.append(measured(service, quiet, MEASURED_S))
    return {
        "rounds": rounds_count,
        "refused_to_the_other": refused_count(service, noisy),
        "p99_alone_ms": typical_ms(alone, 99),
        "p99_beside_ms": typical_ms(beside, 99),
        "p50_alone_ms": typical_ms(alone, 50),
        "p50_beside_ms": typical_ms(beside, 50),
    }


def test_a_customer_is_served_beside_one_who_asks_ten_times_what_he_may(
    serve: Serve, tell_figures: Callable[..., None]
) -> None:
    tell_figures(**assert_the_other_is_served(serve, rounds_count=1))


@pytest.mark.long
def test_a_customer_does_not_notice_one_who_asks_ten_times_what_he_may(
    serve: Serve, tell_figures: Callable[..., None]
) -> None:
    figures = assert_the_other_is_served(serve, rounds_count=10)
    tell_figures(**figures)
    assert figures["p99_beside_ms"] <= MOST_TIMES_THE_BASELINE * figures["p99_alone_ms"]
