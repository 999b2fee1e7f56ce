"""Answer aggregates and usage by bucket: from archived days and from turns not yet archived."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from app.admission.decision import QuotaState
from app.interactions.ids import lowest_ulid
from app.interactions.model import Filters
from app.usage.buckets import Bucket, Grouping, Range
from app.usage.documents import BREAKDOWN, BREAKDOWN_TURNS
from app.usage.errors import ArchiveMovedOn
from app.usage.named_sums import Share
from app.usage.ranges import archive_range, require_few_buckets, require_few_days, trailing_range
from app.usage.rollups import EXTREMES, Rollup, merged
from app.usage.store import UsageDay, UsageStore
from app.usage.totals import total

# The archive commits a day once a minute, or every few seconds while it catches up. Clients that
# read while it commits more often get a 503.
_ATTEMPTS = 5
# Days with open turns that are in memory at a time.
_IN_MOTION_COUNT = 5
_DAY = itemgetter(0)
# The parts of a roll-up that answers contain.
_OF_USAGE = ("by_status", "turns_consumed", "input_tokens", "output_tokens")
_OF_AGGREGATES = (
    *_OF_USAGE,
    "latency_sum_ms",
    "latency_histogram",
    *EXTREMES,
    "personalities",
    "emotions",
)

Days = Iterator[tuple[str, Rollup]]


class Slice(NamedTuple):
    """The turns of one bucket, or of all that was asked for (`bucket` is None).

    `rollup` has no personalities, and the largest of its emotions; see `app.usage.totals`, also for
    the fields after it.
    """

    bucket: Bucket | None
    is_complete: bool
    rollup: Rollup
    personalities_count: int
    shares: Sequence[Share] | None
    is_breakdown_complete: bool


class Wanted(NamedTuple):
    """The parts of roll-ups that an answer contains: some counts and sums, and one dimension."""

    counts: tuple[str, ...]
    dimension: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the fields of a day's document that have them."""
        if self.dimension is None:
            return self.counts
        return (*self.counts, BREAKDOWN_TURNS, f"{BREAKDOWN}.{self.dimension}")

    @property
    def has_breakdown(self) -> bool:
        """Return True if sums over turns need a breakdown."""
        return self.dimension is not None


class UsageService:
    """Answers for one account at a time; instants are milliseconds on Redis's clock.

    The numbers are the same whether a turn is still raw, archived, or archived and deleted. Raises
    ArchiveMovedOn if the archive commits a day faster than it can be read.
    """

    def __init__(self, store: UsageStore) -> None:
        self._store = store

    def aggregates(
        self,
        account: str,
        filters: Filters,
        grouping: Grouping | None,
        now_ms: int,
        *,
        dimension: str | None = None,
    ) -> list[Slice]:
        """Return the buckets of the trailing 180 days within `filters`, oldest first.

        Empty buckets are included. Without `grouping` there is one slice over the whole range. With
        a `dimension` of a breakdown each slice has its shares. Raises RangeNotAnswerable if the
        range lies outside the trailing 180 days.
        """
        asked = trailing_range(filters.from_ms, filters.to_ms, now_ms)
        wanted = Wanted(_OF_AGGREGATES, dimension)
        if filters.user_id is None and filters.relationship_id is None:
            days = self._days(account, asked, wanted)
        else:
            days = self._raw_days(account, filters, asked, wanted)
        # The days are read while they are added up.
        if grouping is not None:
            return _slices(days, asked, grouping, now_ms, dimension)
        is_clamped = filters.from_ms is not None and filters.from_ms < asked.start_ms
        is_complete = asked.end_ms <= now_ms and not is_clamped
        return [Slice(None, is_complete, *total((rollup for _, rollup in days), dimension))]

    def turns(
        self,
        account: str,
        asked: Filters,
        grouping: Grouping,
        period: QuotaState,
        now_ms: int,
        *,
        dimension: str | None = None,
    ) -> list[Slice]:
        """Return the buckets of the range in `asked`, by default the billing period.

        Empty buckets are included; `dimension` as for `aggregates`. Reaches back as far as the
        archive. Raises RangeNotAnswerable if the range lies outside it, has too many buckets, or
        is too long for a breakdown.
        """
        found = archive_range(asked.from_ms, asked.to_ms, period, now_ms)
        if dimension is not None:
            require_few_days(found)
        require_few_buckets(found, grouping)
        days = self._days(account, found, Wanted(_OF_USAGE, dimension))
        return _slices(days, found, grouping, now_ms, dimension)

    def _days(self, account: str, asked: Range, wanted: Wanted) -> Days:
        """Return the roll-up of each day with turns: whole days archived, parts of days by rows.

        Oldest first. Parts of the roll-ups that are not `wanted` may be missing.
        """
        ends, whole = asked.split()
        days = [self._whole_days(account, whole, wanted)] if whole else []
        cut = (self._raw_days(account, Filters(), end, wanted) for end in ends)
        return merge(*days, *cut, key=_DAY)

    def _raw_days(self, account: str, filters: Filters, asked: Range, wanted: Wanted) -> Days:
        first, before = lowest_ulid(asked.start_ms), lowest_ulid(asked.end_ms)
        found = self._store.sum_raw(
            account, filters, first, before, has_breakdown=wanted.has_breakdown
        )
        return iter(sorted(found.items(), key=_DAY))

    def _whole_days(self, account: str, asked: Range, wanted: Wanted) -> Days:
        """Return the archived and the live turns of each day, every turn once, oldest day first.

        On a day that had nothing open when it was asked for, every turn was archived; so its
        document, which is read after that, is all there is to it.
        """
        first, last = asked.first_day.isoformat(), asked.last_day.isoformat()
        waiting = self._store.live_days(account, first, last)
        archived = self._store.days(account, first, last, wanted.parts, left_out=waiting)
        still = ((day.day, day.rollup) for day in archived)
        return merge(still, self._days_in_motion(account, waiting, wanted), key=_DAY)

    def _days_in_motion(self, account: str, names: Sequence[str], wanted: Wanted) -> Days:
        """Yield the days `names`, which have open turns; reads a few at a time."""
        for start in range(0, len(names), _IN_MOTION_COUNT):
            some = names[start : start + _IN_MOTION_COUNT]
            yield from sorted(self._settled(account, some, wanted).items(), key=_DAY)

    def _settled(self, account: str, names: Sequence[str], wanted: Wanted) -> dict[str, Rollup]:
        """Return the days `names`, each as of a moment between two commits.

        A commit moves turns from the live ones to the archived ones, and raises the day's revision.
        So a day is consistent if its revision did not change; the others are read again.
        """
        found: dict[str, Rollup] = {}
        for _ in range(_ATTEMPTS):
            named = self._store.days_named(account, names, wanted.parts)
            archived = {day.day: day for day in named}
            days = [archived.get(name, UsageDay(name)) for name in names]
            fences = {day.day: day.committed for day in days}
            live = self._store.sum_open(account, fences, has_breakdown=wanted.has_breakdown)
            found |= {day.day: merged([day.rollup, live.get(day.day, Rollup())]) for day in days}
            revisions = self._store.revisions(account, names)
            names = [day.day for day in days if revisions.get(day.day, 0) != day.revision]
            if not names:
                return found
        raise ArchiveMovedOn


def _slices(
    days: Days, asked: Range, grouping: Grouping, now_ms: int, dimension: str | None
) -> list[Slice]:
    """Return the buckets of `asked`; reads `days`, oldest first, while it adds them up."""
    buckets = require_few_buckets(asked, grouping)
    starts = [bucket.start.isoformat() for bucket in buckets]
    totals = {
        index: total((rollup for _, rollup in some), dimension)
        for index, some in groupby(days, lambda day: bisect_right(starts, day[0]) - 1)
    }
    empty = total((), dimension)
    first, end = asked.ended_days(now_ms)
    return [
        Slice(bucket, bucket.is_within(first, end), *totals.get(index, empty))
        for index, bucket in enumerate(buckets)
    ]
