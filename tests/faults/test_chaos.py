"""Chaos: whatever happens in whatever order, ledger = accepted answers = counters.

The seed is told with the figures; `CHAOS_SEED` repeats a run.
"""

import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import SystemRandom
from threading import Event

import pytest

from tests.callers import Caller, hire, log_lines, reconcile, wire
from tests.faults.kit.chaos import House, running_house
from tests.faults.kit.load import NO_ANSWER, Load, Producers, over, percentile_ms
from tests.servers import wait_until
from tests.turns import stateful

PER_SECOND = 40
RELATIONSHIPS_COUNT = 7
FAULTS_COUNT = 10
HEALED_WITHIN_S = 60


def seed() -> int:
    """The one asked for, or another one each time."""
    return int(os.environ.get("CHAOS_SEED") or SystemRandom().randrange(10**6))


def is_well(house: House, caller: Caller) -> bool:
    """Whether a service that has had its rest shows the quota again."""
    with wire(house.service, caller) as client:
        answers = [client.get("/v1/usage/turns") for _ in range(10)]
    return all(
        answer.status_code == 200 and "X-Quota-Turns-Used" in answer.headers for answer in answers
    )


def assert_the_books_balance_after(folder: Path, seconds: float, seed: int) -> dict[str, object]:
    """Let things happen for so long, and each once at least; the books must balance after it."""
    numbers = count()
    with running_house(folder, seed) as house:
        caller = hire(house.app)
        with wire(house.service, caller) as client:
            producers = Producers(
                over(client), lambda: stateful(f"rel_{next(numbers) % RELATIONSHIPS_COUNT}")
            )
            with Load(producers, PER_SECOND) as load:
                load.last(1)
                end = time.monotonic() + seconds
                house.suffer(lambda: time.monotonic() < end, Event())
                wait_until(lambda: is_well(house, caller), HEALED_WITHIN_S)
                load.last(1)
        assert len(house.happened) == FAULTS_COUNT
        assert producers.statuses().keys() <= {NO_ANSWER, 200, 201, 503}
        assert {line["status"] for line in log_lines(house.service)} <= {200, 201, 503}
        producers.assert_all_are_stored_once(caller)
        reconcile(house.app)
        counted = caller.counters()
        assert counted["turns_used"] == len(producers.accepted) == caller.rows_count()
        assert counted["relationships_used"] == RELATIONSHIPS_COUNT
    return {
        "happened": dict(house.happened),
        "statuses": producers.statuses(),
        "accepted": len(producers.accepted),
        "p99_ms": percentile_ms(producers.shots, 99),
        "slowest_ms": percentile_ms(producers.shots, 100),
    }


def test_the_books_balance_after_chaos(tmp_path: Path, tell_figures: Callable[..., None]) -> None:
    chosen = seed()
    tell_figures(seed=chosen)
    tell_figures(**assert_the_books_balance_after(tmp_path, 0, chosen))


@pytest.mark.long
def test_the_books_balance_after_five_minutes_of_chaos(
    tmp_path: Path, tell_figures: Callable[..., None]
) -> None:
    chosen = seed()
    tell_figures(seed=chosen)
    tell_figures(**assert_the_books_balance_after(tmp_path, 300, chosen))
