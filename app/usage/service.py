"""Aggregates and usage: the archive's days and the turns that are not in it yet, told by bucket."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.admission.decision import QuotaState
from app.http.problems import Problem
from app.interactions.ids import first_ulid
from app.interactions.model import Filters
from app.usage.buckets import Bucket, Grouping, Range
from app.usage.ranges import archive_range, require_few_buckets, trailing_range
from app.usage.rollups import Rollup, merged
from app.usage.store import UsageDay, UsageStore

# A commit for a day comes once a minute; whoever meets more is told to come again.
_ATTEMPTS = 5
# What usage tells of a roll-up.
_OF_USAGE = ("by_status", "turns_consumed")
# What aggregates tell.
_OF_AGGREGATES = (*_OF_USAGE, "personalities", "emotions", "latency_sum_ms", "latency_histogram")


@dataclass(frozen=True, slots=True)
class Slice:
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

        Of the roll-ups only `parts` are sure to be there.
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

        A turn that is not open when `live_days` looks is archived, and is read with its day
        afterwards. A turn moves from the live ones to the archived ones by a commit, which raises
        its day's revision: a live day is true if its revision stood still, else it is read again.
        """
        first, last = asked.first_day.isoformat(), asked.last_day.isoformat()
        live_days = self._store.live_days(account, first, last)
        archived = self._archived(account, first, last, parts)
        found = {name: day.rollup for name, day in archived.items()}
        if not live_days:
            return found
        for _ in range(_ATTEMPTS):
            before = [archived.get(name, UsageDay(name)) for name in live_days]
            live = self._store.sum_open(account, {day.day: day.committed for day in before})
            found |= {day.day: merged([day.rollup, live.get(day.day, Rollup())]) for day in before}
            archived = self._archived(account, live_days[0], live_days[-1], parts)
            live_days = [
                day.day
                for day in before
                if day.revision != archived.get(day.day, UsageDay(day.day)).revision
            ]
            if not live_days:
                return found
        raise Problem.unavailable()

    def _archived(
        self, account: str, first: str, last: str, parts: Collection[str]
    ) -> dict[str, UsageDay]:
        return {day.day: day for day in self._store.days(account, first, last, parts)}


def _slices(
    days: Mapping[str, Rollup], asked: Range, grouping: Grouping, now_ms: int
) -> list[Slice]:
    return [
        Slice(bucket, bucket.is_complete(asked, now_ms), _sum(days, bucket))
        for bucket in require_few_buckets(asked, grouping)
    ]


def _sum(days: Mapping[str, Rollup], bucket: Bucket) -> Rollup:
    names = (day.isoformat() for day in bucket.days())
    return merged(days[name] for name in names if name in days)
