"""Which instants an answer is about: what was asked for, within what can be answered."""

from datetime import date

from app.admission.decision import QuotaState
from app.http.durations import DAY_MS
from app.http.instants import format_ms
from app.interactions.recording import MAX_AHEAD_MS
from app.interactions.retention import oldest_readable_ms
from app.usage.buckets import Bucket, Grouping, Range, buckets_of, start_ms
from app.usage.errors import RangeNotAnswerable

MAX_BUCKETS = 1_000
# A breakdown reads up to 5,000 names of each day.
MAX_BREAKDOWN_DAYS = 366
# No ledger is older, and none knows the future.
ARCHIVE_START = date(2020, 1, 1)
_MAX_FUTURE_DAYS = 366


def trailing_range(from_ms: int | None, to_ms: int | None, now_ms: int) -> Range:
    """Return the range of aggregates, within the trailing 180 days, as lists have it.

    Without `to_ms` it ends with today. RangeNotAnswerable if nothing of what was asked
    for can be answered.
    """
    oldest_ms = oldest_readable_ms(now_ms)
    if to_ms is not None and to_ms <= oldest_ms:
        raise RangeNotAnswerable(
            "to",
            f"must be later than {format_ms(oldest_ms)}: aggregates reach back 180 days, "
            "/v1/usage/turns reaches further",
            {"after": format_ms(oldest_ms)},
        )
    end_ms = _end_of_today_ms(now_ms) if to_ms is None else to_ms
    return _checked(oldest_readable_ms(now_ms, from_ms), end_ms, now_ms)


def archive_range(from_ms: int | None, to_ms: int | None, period: QuotaState, now_ms: int) -> Range:
    """Return what usage is taken from: by default the billing period until the end of today.

    RangeNotAnswerable for what lies beyond the archive, and for parts of days of which the
    archive has only the whole.
    """
    first_ms = start_ms(ARCHIVE_START)
    period_start_ms, period_end_ms = period.period_start_us // 1_000, period.period_end_us // 1_000
    default_end_ms = max(min(_end_of_today_ms(now_ms), period_end_ms), period_start_ms + DAY_MS)
    # Before the order of both: an instant before the year 1 cannot be written.
    if to_ms is not None and to_ms <= first_ms:
        words = f"must be later than {format_ms(first_ms)}, where the archive begins"
        raise RangeNotAnswerable("to", words, {"after": format_ms(first_ms)})
    if from_ms is None and to_ms is not None and to_ms <= period_start_ms:
        start = format_ms(period_start_ms)
        words = f"must be later than {start}, where the billing period begins; give `from` too"
        raise RangeNotAnswerable("to", words, {"after": start})
    asked = _checked(
        period_start_ms if from_ms is None else from_ms,
        default_end_ms if to_ms is None else to_ms,
        now_ms,
    )
    if asked.start_ms < first_ms:
        words = f"must not be earlier than {format_ms(first_ms)}, where the archive begins"
        raise RangeNotAnswerable("from", words, {"min": format_ms(first_ms)})
    _require_whole_days(asked, oldest_readable_ms(now_ms))
    return asked


def _end_of_today_ms(now_ms: int) -> int:
    """Return the end of the day that holds the last instant a turn may have by now."""
    return (now_ms + MAX_AHEAD_MS) // DAY_MS * DAY_MS + DAY_MS


def require_few_buckets(asked: Range, grouping: Grouping) -> list[Bucket]:
    """Return the buckets of the range; RangeNotAnswerable if they are more than `MAX_BUCKETS`."""
    found = buckets_of(asked, grouping)
    if len(found) > MAX_BUCKETS:
        words = (
            f"asks for {len(found)} buckets, at most {MAX_BUCKETS} are answered at once; "
            "take a longer `group_by` or a shorter range"
        )
        raise RangeNotAnswerable("group_by", words, {"max_buckets": MAX_BUCKETS})
    return found


def require_few_days(asked: Range) -> None:
    """Refuse a range that is too long for a breakdown."""
    if asked.end_ms - asked.start_ms > MAX_BREAKDOWN_DAYS * DAY_MS:
        words = (
            f"covers at most {MAX_BREAKDOWN_DAYS} days at once; take a later `from` or an earlier "
            "`to`"
        )
        raise RangeNotAnswerable("breakdown", words, {"max_days": MAX_BREAKDOWN_DAYS})


def _checked(start_at_ms: int, end_ms: int, now_ms: int) -> Range:
    latest_ms = (now_ms // DAY_MS + _MAX_FUTURE_DAYS) * DAY_MS
    if end_ms > latest_ms:
        words = f"must not be later than {format_ms(latest_ms)}, {_MAX_FUTURE_DAYS} days from today"
        raise RangeNotAnswerable("to", words, {"max": format_ms(latest_ms)})
    if start_at_ms >= end_ms:
        words = f"must be earlier than `to`, which is {format_ms(end_ms)} here; give another `to`"
        raise RangeNotAnswerable("from", words, {"before": format_ms(end_ms)})
    return Range(start_at_ms, end_ms)


def _require_whole_days(asked: Range, oldest_ms: int) -> None:
    """Refuse an end within a day of which the turns may be gone."""
    ends, _ = asked.split()
    for end in ends:
        if end.start_ms < oldest_ms:
            name = "from" if end.start_ms % DAY_MS else "to"
            words = "must be a midnight in UTC: of what is older than 180 days only days are kept"
            raise RangeNotAnswerable(name, words, {"examples": [end.first_day.isoformat()]})
