"""What admission needs to know of the ledger, which is the truth that Redis copies."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


class PeriodLedger(Protocol):
    """Counts of what one account has recorded in one billing period.

    `account` is `org_01J…:live`, `quota_period` the period's label, as stored with each turn.
    Instants are microseconds on Redis's clock.
    """

    def count_turns(self, account: str, quota_period: str, before_us: int | None = None) -> int:
        """Sum of turns consumed, of those with `recorded_at` before `before_us` if it is given."""

    def count_relationships(self, account: str, quota_period: str) -> Iterable[tuple[str, int]]:
        """Each relationship that turns were charged with, and how many such turns there are."""

    def find_turns(self, account: str, turn_keys: Sequence[str]) -> Mapping[str, object]:
        """Those of these turns that are stored, by turn key, in whatever period."""

    def newest_recorded_at_us(self, account: str, quota_period: str) -> int:
        """The latest `recorded_at`; 0 if there is no turn."""
