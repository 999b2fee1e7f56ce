"""Counts of one process in one minute."""

from collections import Counter

from app.minutes.model import (
    BUCKETS_COUNT,
    LIMITED,
    OTHERS,
    RATE,
    Outcome,
    Refusal,
    bucket_of,
    outcome_of,
)
from app.observability.answer import Answer

MOST_NAMES = 50


class MinuteCounts:
    """The counts of one process in a minute that are not yet added to Redis.

    `names` are the organizations that this process names in the minute, also in earlier flushes.
    """

    def __init__(self, names: set[str]) -> None:
        self.outcomes: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
        self.latencies = [0] * BUCKETS_COUNT
        self.refusals: Counter[Refusal] = Counter()
        self._names = names

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        outcome = outcome_of(answer)
        self.outcomes[outcome] += 1
        self.latencies[bucket_of(answer.duration_ms)] += 1
        if outcome in LIMITED and answer.organization is not None:
            name = answer.organization if self._is_named(answer.organization) else OTHERS
            self.refusals[Refusal(name, answer.component or RATE)] += 1

    def _is_named(self, organization_id: str) -> bool:
        if len(self._names) < MOST_NAMES:
            self._names.add(organization_id)
        return organization_id in self._names
