"""Minutes of made-up traffic for pictures, written as web processes write them."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random

from app.backends.backend import Backend
from app.http.application import provided
from app.minutes.counts import MinuteCounts
from app.minutes.model import Outcome, Refusal, bucket_of
from app.minutes.storage import MinuteStorage
from tests.console.traffic import MINUTE_S, last_minute_s

MINUTES_COUNT = 24 * 60
# So that the charts go on as usual while pictures are made.
MINUTES_AHEAD = 20
# Minutes ago: a restart without counts, a customer's batch that ran too fast, a slow disk.
GAP = (44, 45)
PEAK = {22: 0.3, 23: 0.8, 24: 1.0, 25: 0.9, 26: 0.6, 27: 0.2}
SLOW = range(40, 44)
DAYS_COUNT = 30
DAY_S = 24 * 3_600


def write_minutes(organizations: Mapping[str, str]) -> None:
    """Write the minutes of the last 24 hours and some of the next; with ids by name."""
    random = Random("turnledger minutes")  # noqa: S311 - repeatable on purpose
    last_s = last_minute_s(time.time())
    added = {
        last_s - ago * MINUTE_S: _minute(random, ago, organizations)
        for ago in reversed(range(-MINUTES_AHEAD, MINUTES_COUNT))
        if ago not in GAP
    }
    added |= dict(_earlier_days(random, last_s, organizations["Brook Tutoring"]))
    MinuteStorage(provided(Backend).redis).add(added)


def _earlier_days(
    random: Random, last_s: int, organization_id: str
) -> Iterator[tuple[int, MinuteCounts]]:
    """Yield a minute of each earlier day, with the refusals of one organization."""
    for ago in range(1, DAYS_COUNT):
        counts = MinuteCounts(set())
        limited = random.choice((0, 3, 8, 14, 90 if ago == 9 else 21))
        counts.outcomes[Outcome.RATE_LIMITED] = limited
        counts.refusals = Counter({Refusal(organization_id, "rate"): limited})
        counts.latencies[0] = limited
        yield last_s - ago * DAY_S - 3_600, counts


def _minute(random: Random, ago: int, organizations: Mapping[str, str]) -> MinuteCounts:
    counts = MinuteCounts(set())
    wave = 1 + 0.35 * math.sin(ago / 229) + 0.08 * math.sin(ago / 7)
    counts.outcomes[Outcome.ADMITTED] = round(880 * wave * random.uniform(0.93, 1.07))
    limited = round(240 * PEAK.get(ago, 0)) + random.choice((0, 0, 0, 2, 5))
    spent = random.choice((0, 0, 1, 3, 7)) if ago < 200 else 0
    counts.outcomes[Outcome.RATE_LIMITED] = limited
    counts.outcomes[Outcome.QUOTA_EXHAUSTED] = spent
    counts.outcomes[Outcome.CLIENT_ERROR] = random.choice((0, 0, 1, 2))
    counts.outcomes[Outcome.SERVER_ERROR] = 3 if ago == 41 else 0
    counts.refusals = Counter(
        {
            Refusal(organizations["Cobalt Games"], "rate"): limited,
            Refusal(organizations["Halyard Notes"], "turns"): spent,
        }
    )
    for _ in range(sum(counts.outcomes.values())):
        counts.latencies[bucket_of(_latency_ms(random, ago))] += 1
    return counts


def _latency_ms(random: Random, ago: int) -> float:
    """Return a latency of the usual long tail."""
    return random.lognormvariate(math.log(7.5 if ago in SLOW else 3.4), 0.75)
