"""Minutes of invented traffic, written as web processes write them."""

import random
import time
from collections import Counter

from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.minutes.counts import MinuteCounts
from app.minutes.model import BUCKETS_COUNT, Outcome, Refusal
from app.minutes.service import COUNTED_S, Minutes
from app.minutes.storage import MinuteStorage

MINUTE_S = 60


def last_minute_s(now_s: float) -> int:
    """Return the start of the last full minute that the overview shows at `now_s`."""
    return int(now_s - COUNTED_S) // MINUTE_S * MINUTE_S - MINUTE_S


def write_minutes(
    app: Flask,
    minutes_count: int,
    seed: int,
    gaps: frozenset[int] = frozenset(),
    refused: Refusal | None = None,
) -> dict[int, Counter[str]]:
    """Write random counts of the last minutes; return them by the minute's start.

    From then on the time of readers stands still: the minute may end before they read.

    `gaps` are minutes without data, counted back from the last one. With `refused` each minute has
    a refusal of it.
    """
    now_s = time.time()
    chosen, last_s = random.Random(seed), last_minute_s(now_s)  # noqa: S311 - repeatable on purpose
    written: dict[int, Counter[str]] = {}
    added: dict[int, MinuteCounts] = {}
    for back in range(minutes_count):
        if back in gaps:
            continue
        counts = MinuteCounts(set())
        counts.outcomes = {outcome: chosen.randrange(0, 90) for outcome in Outcome}
        counts.latencies[chosen.randrange(BUCKETS_COUNT)] = sum(counts.outcomes.values())
        counts.refusals = Counter({refused: 1}) if refused else Counter()
        added[last_s - back * MINUTE_S] = counts
        written[last_s - back * MINUTE_S] = Counter(
            {outcome.value: count for outcome, count in counts.outcomes.items()}
        )
    with app.app_context():
        MinuteStorage(provided(Backend).redis).add(added)
        vars(provided(Minutes))["_now_s"] = lambda: now_s
    return written
