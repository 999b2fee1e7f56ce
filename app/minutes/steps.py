"""Sum minutes into the steps of a chart: the parts of an hour, a day or a week."""

from collections.abc import Sequence
from typing import NamedTuple

from app.minutes.model import BUCKETS_COUNT, MINUTE_S, Minute, Outcome, find_quantile_ms


class Step(NamedTuple):
    """The answers of the full minutes of a step that begins at `at_s`, since 1970.

    `minutes_count` of its minutes are over, and `recorded_count` of these have data. `is_over` is
    False for the last step until its end.
    """

    at_s: int
    minutes_count: int
    recorded_count: int
    is_over: bool
    counts: dict[Outcome, int]
    latencies: list[int]

    @property
    def requests_count(self) -> int:
        """The number of answers."""
        return sum(self.counts.values())

    def find_quantile_ms(self, share: float) -> float | None:
        """Return the latency that `share` of the answers did not exceed; None without answers."""
        return find_quantile_ms(self.latencies, share)


def sum_minutes(minutes: Sequence[Minute | None], first_s: int, step_s: int) -> list[Step]:
    """Return the steps of `minutes`, the first of which begins at `first_s`."""
    size = step_s // MINUTE_S
    return [
        _sum(minutes[begin : begin + size], first_s + begin * MINUTE_S, size)
        for begin in range(0, len(minutes), size)
    ]


def sum_steps(steps: Sequence[Step]) -> Step:
    """Return the sum of all steps, as one; ValueError without steps."""
    if not steps:
        raise ValueError("no steps to sum")
    return Step(
        steps[0].at_s,
        sum(step.minutes_count for step in steps),
        sum(step.recorded_count for step in steps),
        all(step.is_over for step in steps),
        {outcome: sum(step.counts[outcome] for step in steps) for outcome in Outcome},
        [sum(bucket) for bucket in zip(*(step.latencies for step in steps), strict=True)],
    )


def _sum(minutes: Sequence[Minute | None], at_s: int, size: int) -> Step:
    known = [minute for minute in minutes if minute is not None]
    return Step(
        at_s,
        len(minutes),
        len(known),
        len(minutes) == size,
        {outcome: sum(minute.counts[outcome] for minute in known) for outcome in Outcome},
        [sum(minute.latencies[index] for minute in known) for index in range(BUCKETS_COUNT)],
    )
