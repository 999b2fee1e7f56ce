"""Read minutes: totals of a range, and who is being limited now."""

import time
from collections.abc import Callable, Mapping, Sequence

from app.minutes.model import MINUTE_S, OTHERS, DayRefusals, Refusal
from app.minutes.steps import Step, sum_minutes
from app.minutes.storage import MinuteStorage

NOW_S = 5 * MINUTE_S
# Processes add their counts within three seconds.
COUNTED_S = 5


class Minutes:
    """Reads what all web processes have counted; raises the outages of Redis."""

    def __init__(self, storage: MinuteStorage, now_s: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._now_s = now_s

    def list_steps(self, steps_count: int, step_s: int) -> Sequence[Step]:
        """Return the last steps of `step_s` seconds, oldest first.

        They begin at whole multiples of `step_s`. The last one has the last full minute that all
        processes have counted, and may not be over.
        """
        last_s = self._last_counted_s()
        first_s = last_s - last_s % step_s - (steps_count - 1) * step_s
        return sum_minutes(self._storage.read(first_s, last_s), first_s, step_s)

    def list_refusals(self, minutes_count: int) -> Sequence[Mapping[Refusal, int]]:
        """Return the refusals of organizations in each of the last full minutes, oldest first."""
        last_s = self._last_counted_s()
        first_s = last_s - (minutes_count - 1) * MINUTE_S
        return self._storage.refusals_by_minute(first_s, last_s)

    def refused_now(self) -> Mapping[str, Mapping[str, int]]:
        """Return refusals by organization and cause, from five minutes ago until now.

        `OTHERS` has those of organizations beyond the names that a minute keeps.
        """
        now_s = int(self._now_s())
        found: dict[str, dict[str, int]] = {}
        for refusal, count in self._storage.refusals(now_s - NOW_S, now_s).items():
            found.setdefault(refusal.organization_id, {})[refusal.cause] = count
        return found

    def refused_by_day(
        self, organization_id: str, days: Sequence[str]
    ) -> Sequence[DayRefusals | None]:
        """Return the refusals of an organization on each day of `days`; None for a gap.

        Days without any process, and days before the last 31, are gaps.
        """
        return self._storage.refusals_by_day(organization_id, days)

    def find_newest_s(self) -> int | None:
        """Return the newest minute that any process reported in the last ten; None without one."""
        now_s = int(self._now_s())
        found = [minute for minute in self._storage.read(now_s - 2 * NOW_S, now_s) if minute]
        return found[-1].at_s if found else None

    def _last_counted_s(self) -> int:
        return int(self._now_s() - COUNTED_S) // MINUTE_S * MINUTE_S - MINUTE_S


def count_others(refused: Mapping[str, Mapping[str, int]]) -> int:
    """Return the refusals of organizations that are not named."""
    return sum(refused.get(OTHERS, {}).values())
