"""Which instants an answer is about: what was asked for, within what can be answered."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from app.admission.decision import QuotaState
from app.http.instants import format_ms
from app.http.problems import Problem, offence
from app.interactions.recording import MAX_AHEAD_MS
from app.interactions.service import RETENTION_MS
from app.usage.buckets import DAY_MS, Bucket, Grouping, Range, buckets_of, start_ms

MAX_BUCKETS = 1_000
# No ledger is older, and none knows the future.
ARCHIVE_START = date(2020, 1, 1)
_MAX_FUTURE_MS = 366 * DAY_MS


def trailing_range(from_ms: int | None, to_ms: int | None, now_ms: int) -> Range:
    """What aggregates are taken from: the trailing 180 days, as lists are.

    Without `to_ms` it ends with the day that holds the last instant a turn may have by now. A
    validation problem if nothing of what was asked for can be answered.
    """
    oldest_ms = now_ms - RETENTION_MS
    if to_ms is not None and to_ms <= oldest_ms:
        raise _refusal(
            "to",
            f"must be later than {format_ms(oldest_ms)}: aggregates reach back 180 days, "
            "/v1/usage/turns reaches further",
            {"after": format_ms(oldest_ms)},
        )
    end_ms = (now_ms + MAX_AHEAD_MS) // DAY_MS * DAY_MS + DAY_MS if to_ms is None else to_ms
    start_at_ms = oldest_ms if from_ms is None else max(from_ms, oldest_ms)
    return _checked(start_at_ms, end_ms, now_ms)


def archive_range(from_ms: int | None, to_ms: int | None, period: QuotaState, now_ms: int) -> Range:
    """What usage is taken from: the billing period unless it was asked for otherwise.

    A validation problem for what lies beyond the archive, and for parts of days of which the
    archive has only the whole.
    """
    asked = _checked(
        period.period_start_us // 1_000 if from_ms is None else from_ms,
        period.period_end_us // 1_000 if to_ms is None else to_ms,
        now_ms,
    )
    first_ms = start_ms(ARCHIVE_START)
    if asked.start_ms < first_ms:
        words = f"must not be earlier than {format_ms(first_ms)}, where the archive begins"
        raise _refusal("from", words, {"min": format_ms(first_ms)})
    oldest_ms = now_ms - RETENTION_MS
    ends, _ = asked.split()
    for end in ends:
        if end.start_ms < oldest_ms:
            name = "from" if end.start_ms % DAY_MS else "to"
            words = "must be a midnight in UTC: of what is older than 180 days only days are kept"
            raise _refusal(name, words, {"examples": [end.first_day.isoformat()]})
    return asked


def require_few_buckets(asked: Range, grouping: Grouping) -> list[Bucket]:
    """The buckets of the range; a validation problem if they are more than one answer holds."""
    found = buckets_of(asked, grouping)
    if len(found) > MAX_BUCKETS:
        words = (
            f"asks for {len(found)} buckets, at most {MAX_BUCKETS} are answered at once; "
            "take a longer `group_by` or a shorter range"
        )
        raise _refusal("group_by", words, {"max_buckets": MAX_BUCKETS})
    return found


def _checked(start_at_ms: int, end_ms: int, now_ms: int) -> Range:
    latest_ms = now_ms + _MAX_FUTURE_MS
    if end_ms > latest_ms:
        words = f"must not be later than {format_ms(latest_ms)}, a year ahead"
        raise _refusal("to", words, {"max": format_ms(latest_ms)})
    if start_at_ms >= end_ms:
        words = f"must be earlier than `to`, which is {format_ms(end_ms)} here; give another `to`"
        raise _refusal("from", words, {"before": format_ms(end_ms)})
    return Range(start_at_ms, end_ms)


def _refusal(name: str, words: str, allowed: Mapping[str, Any]) -> Problem:
    return Problem.invalid([offence(name, "out_of_range", f"`{name}` {words}.", allowed)])
