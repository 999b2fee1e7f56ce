"""The ledger as admission sees it: the truth that the counters in Redis copy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol


class LedgerCount(NamedTuple):
    """What an account has used in a billing period.

    `charged` is the sum of the turns charged. `uncharged` is the number of recorded turns that cost
    nothing, without imports.
    """

    charged: int
    uncharged: int


class PeriodLedger(Protocol):
    """Counts of what one account has recorded in one billing period.

    `account` is `org_01J…:live`, `quota_period` the period's label, as stored with each turn.
    Instants are microseconds on Redis's clock.
    """

    def count_turns(
        self, account: str, quota_period: str, before_us: int | None = None
    ) -> LedgerCount:
        """Count the turns, only those with `recorded_at` before `before_us` if it is given."""

    def count_relationships(self, account: str, quota_period: str) -> Iterable[tuple[str, int]]:
        """Return each relationship that turns were charged with, and the number of these turns."""

    def find_turns(self, account: str, turn_keys: Sequence[str]) -> Mapping[str, object]:
        """Return those of these turns that are stored, by turn key, in any period."""

    def newest_recorded_at_us(self, account: str, quota_period: str) -> int:
        """Return the latest `recorded_at`; 0 without turns."""
