"""Aggregates and usage: the archive's days and the turns that are not in it yet, told by bucket."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from app.admission.decision import QuotaState
from app.http.problems import Problem
from app.interactions.ids import first_ulid
from app.interactions.model import Filters
from app.usage.buckets import Bucket, Grouping, Range
from app.usage.ranges import archive_range, require_few_buckets, trailing_range
from app.usage.rollups import EXTREMES, Rollup, merged
from app.usage.store import UsageDay, UsageStore

# A day is committed once a minute, or every few seconds while the archive catches up; whoever meets
# more is told to come again.
_ATTEMPTS = 5
# What is told of a roll-up.
_OF_USAGE = ("by_status", "turns_consumed")
_OF_AGGREGATES = (
    *_OF_USAGE,
    "latency_sum_ms",
    "latency_histogram",
    *EXTREMES,
    "personalities",
    "emotions",
)


class Slice(NamedTuple):
    """The turns of one bucket, or of all that was asked for (`bucket` is None)."""

    bucket: Bucket | None
    is_complete: bool
    rollup: Rollup


class UsageService:
    """Answers for one account at a time; instants are milliseconds on Redis's clock.

    The numbers are the same whether a turn is still raw, archived, or archived and deleted. A
    `service_unavailable` problem if the archive moves on faster than it can be read.
    """

    def __init__(self, store: UsageStore) -> None:
        self._store = store

    def aggregates(
        self, account: str, filters: Filters, grouping: Grouping | None, now_ms: int
    ) -> list[Slice]:
        """Every bucket of the trailing 180 days within `filters`, oldest first; empty ones too.

        Without `grouping` one slice over all of it. A validation problem if the range lies outside
        what can be answered.
        """
        asked = trailing_range(filters.from_ms, filters.to_ms, now_ms)
        if filters.user_id is None and filters.relationship_id is None:
            days = self._days(account, asked, _OF_AGGREGATES)
        else:
            days = self._raw_days(account, filters, asked)
        if grouping is not None:
            return _slices(days, asked, grouping, now_ms)
        is_clamped = filters.from_ms is not None and filters.from_ms < asked.start_ms
        return [Slice(None, asked.end_ms <= now_ms and not is_clamped, merged(days.values()))]

    def turns(
        self, account: str, asked: Filters, grouping: Grouping, period: QuotaState, now_ms: int
    ) -> list[Slice]:
        """Every bucket of the range in `asked`, by default the billing period; empty ones too.

        Goes back as far as the archive does. A validation problem if the range lies outside it or
        has too many buckets.
        """
        found = archive_range(asked.from_ms, asked.to_ms, period, now_ms)
        require_few_buckets(found, grouping)
        return _slices(self._days(account, found, _OF_USAGE), found, grouping, now_ms)

    def _days(self, account: str, asked: Range, parts: Collection[str]) -> dict[str, Rollup]:
        """The roll-up of each day with turns: whole days by the archive, parts of days by rows.

        Only these `parts` of the roll-ups are wanted; the others may be missing.
        """
        ends, whole = asked.split()
        days = self._whole_days(account, whole, parts) if whole else {}
        for end in ends:
            days |= self._raw_days(account, Filters(), end)
        return days

    def _raw_days(self, account: str, filters: Filters, asked: Range) -> dict[str, Rollup]:
        first, before = first_ulid(asked.start_ms), first_ulid(asked.end_ms)
        return self._store.sum_raw(account, filters, first, before)

    def _whole_days(self, account: str, asked: Range, parts: Collection[str]) -> dict[str, Rollup]:
        """The archived and the live turns of each day, every turn once.

        On a day that had nothing open when it was asked for, every turn was archived; so its
        document, which is read after that, is all there is to it.
        """
        first, last = asked.first_day.isoformat(), asked.last_day.isoformat()
        waiting = self._store.live_days(account, first, last)
        archived = {day.day: day for day in self._store.days(account, first, last, parts)}
        found = {name: day.rollup for name, day in archived.items()}
        return found | (self._days_in_motion(account, waiting, archived) if waiting else {})

    def _days_in_motion(
        self, account: str, names: Sequence[str], archived: Mapping[str, UsageDay]
    ) -> dict[str, Rollup]:
        """The days `names`, which have open turns; they are in `archived` as they were before.

        A turn moves from the live ones to the archived ones by a commit, which raises its day's
        revision. So a day is true whose revision stood still; the others are read again.
        """
        found: dict[str, Rollup] = {}
        for _ in range(_ATTEMPTS):
            days = [archived.get(name, UsageDay(name)) for name in names]
            live = self._store.sum_open(account, {day.day: day.committed for day in days})
            found |= {day.day: merged([day.rollup, live.get(day.day, Rollup())]) for day in days}
            revisions = self._store.revisions(account, names)
            names = [day.day for day in days if revisions.get(day.day, 0) != day.revision]
            if not names:
                return found
            archived = {day.day: day for day in self._store.days(account, names[0], names[-1])}
        raise Problem.unavailable()


def _slices(
    days: Mapping[str, Rollup], asked: Range, grouping: Grouping, now_ms: int
) -> list[Slice]:
    return [
        Slice(bucket, bucket.is_complete(asked, now_ms), _sum(days, bucket))
        for bucket in require_few_buckets(asked, grouping)
    ]


def _sum(days: Mapping[str, Rollup], bucket: Bucket) -> Rollup:
    return merged([days[day] for day in bucket.days() if day in days])
