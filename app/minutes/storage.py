"""Keep minutes in Redis.

| key | type | fields |
| --- | --- | --- |
| `minutes:{turnledger}:1795963860` | hash | outcomes by name, `latency_0` to `latency_19`, `seen` |
| `minutes:{turnledger}:1795963860:refused` | hash | `ORG_ID cause` or `others cause` |
| `refused:{turnledger}:2026-11-30` | hash | the same of a day in UTC, and `seen` |

The number is the minute's first second since 1970. Minutes expire 7 days after the last addition,
days 31 days after it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from app.backends.batches import send_batch
from app.backends.pipelines import Command
from app.clients import MaintenanceRedis, RequestRedis
from app.minutes.counts import MinuteCounts
from app.minutes.model import (
    BUCKETS_COUNT,
    CAUSES,
    MINUTE_S,
    DayRefusals,
    Minute,
    Outcome,
    Refusal,
)

KEPT_S = 7 * 24 * 3_600
DAY_KEPT_S = 31 * 24 * 3_600
_SEEN = "seen"
# 7 days have 10,080 minutes.
_AT_ONCE = 1_000


_Key = Callable[[int], str]


class MinuteStorage:
    """Adds to minutes and reads them; raises the outages of Redis."""

    def __init__(self, redis: RequestRedis | MaintenanceRedis) -> None:
        self._redis = redis

    def add(self, by_minute: Mapping[int, MinuteCounts]) -> None:
        """Add counts to their minutes, in one round trip."""
        commands = [each for at_s, counts in by_minute.items() for each in _additions(at_s, counts)]
        if commands:
            send_batch(self._redis, commands)

    def read(self, first_s: int, last_s: int) -> list[Minute | None]:
        """Return each minute from that of `first_s` to that of `last_s`; None for a gap."""
        starts = range(first_s - first_s % MINUTE_S, last_s + 1, MINUTE_S)
        return [
            _minute(at_s, fields)
            for begin in range(0, len(starts), _AT_ONCE)
            for at_s, fields in self._hashes(starts[begin : begin + _AT_ONCE], _key)
        ]

    def refusals(self, first_s: int, last_s: int) -> Counter[Refusal]:
        """Return the refusals of organizations from `first_s` to `last_s`, whole minutes."""
        found: Counter[Refusal] = Counter()
        for refusals in self.refusals_by_minute(first_s, last_s):
            found.update(refusals)
        return found

    def refusals_by_day(
        self, organization_id: str, days: Sequence[str]
    ) -> list[DayRefusals | None]:
        """Return the refusals of an organization on each day (`2026-11-30`); None for a gap."""
        names = [_field(organization_id, cause) for causes in CAUSES.values() for cause in causes]
        commands = [("HMGET", _day_key(day), _SEEN, *names) for day in days]
        return [
            _day_refusals(day, counts) if seen else None
            for day, (seen, *counts) in zip(days, send_batch(self._redis, commands), strict=True)
        ]

    def refusals_by_minute(self, first_s: int, last_s: int) -> list[dict[Refusal, int]]:
        """Return the refusals of each minute from that of `first_s` to that of `last_s`."""
        starts = range(first_s - first_s % MINUTE_S, last_s + 1, MINUTE_S)
        return [_refusals(fields) for _, fields in self._hashes(starts, _refused_key)]

    def _hashes(self, starts: range, key: _Key) -> Iterator[tuple[int, dict[str, str]]]:
        replies = send_batch(self._redis, [("HGETALL", key(at_s)) for at_s in starts])
        return zip(starts, (dict(reply) for reply in replies), strict=True)


def _key(at_s: int) -> str:
    return f"minutes:{{turnledger}}:{at_s}"


def _refused_key(at_s: int) -> str:
    return f"{_key(at_s)}:refused"


def _day_key(day: str) -> str:
    return f"refused:{{turnledger}}:{day}"


def _day_of(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).date().isoformat()


def _field(organization_id: str, cause: str) -> str:
    return f"{organization_id} {cause}"


def _additions(at_s: int, counts: MinuteCounts) -> Iterator[Command]:
    key, refused, day = _key(at_s), _refused_key(at_s), _day_key(_day_of(at_s))
    yield "HINCRBY", key, _SEEN, 1
    for outcome, count in counts.outcomes.items():
        if count:
            yield "HINCRBY", key, outcome.value, count
    for index, count in enumerate(counts.latencies):
        if count:
            yield "HINCRBY", key, f"latency_{index}", count
    yield "EXPIRE", key, KEPT_S
    yield "HINCRBY", day, _SEEN, 1
    yield "EXPIRE", day, DAY_KEPT_S
    for refusal, count in counts.refusals.items():
        yield "HINCRBY", refused, _field(*refusal), count
        yield "HINCRBY", day, _field(*refusal), count
    if counts.refusals:
        yield "EXPIRE", refused, KEPT_S


def _refusals(fields: Mapping[str, str]) -> dict[Refusal, int]:
    parts = ((name.partition(" "), count) for name, count in fields.items())
    return {
        Refusal(organization_id, cause): int(count) for (organization_id, _, cause), count in parts
    }


def _minute(at_s: int, fields: Mapping[str, str]) -> Minute | None:
    if not fields:
        return None
    return Minute(
        at_s,
        {outcome: int(fields.get(outcome.value, 0)) for outcome in Outcome},
        [int(fields.get(f"latency_{index}", 0)) for index in range(BUCKETS_COUNT)],
    )


def _day_refusals(day: str, counts: Sequence[str | None]) -> DayRefusals:
    """Return the sums of the counts by outcome; they are in the order of `CAUSES`."""
    numbers = iter(int(count or 0) for count in counts)
    return DayRefusals(day, *(sum(next(numbers) for _ in causes) for causes in CAUSES.values()))
