"""The use of each component of a quota, and what it means for the next turn."""

from collections.abc import Iterator
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from app.admission.decision import QuotaState
from app.tenancy.model import Limits, OveragePolicy

NEARLY = Fraction(95, 100)


class UseState(StrEnum):
    """The nearness of a use to its ceiling; below 95 % there is no state."""

    NEARLY_SPENT = "nearly_spent"
    SPENT = "spent"
    OVER_ALLOWED = "over_allowed"


class Use(NamedTuple):
    """The use of one component of a quota: `turns`, `uncharged_turns` or `active_relationships`.

    `used` includes the turns that reservations hold, `held`. `limit` is the ceiling that is
    enforced, and greater than 0. Under overage `is_lifted` is True for turns.
    """

    component: str
    used: int
    limit: int
    held: int = 0
    is_lifted: bool = False

    @property
    def share(self) -> Fraction:
        """The part of the ceiling that is used; above 1 under overage."""
        return Fraction(self.used, self.limit)

    @property
    def per_mille(self) -> int:
        """The share in thousandths, rounded down, so that 1,000 means all of it."""
        return self.used * 1_000 // self.limit

    @property
    def state(self) -> UseState | None:
        """The nearness to the ceiling; None below 95 %."""
        return state_of(self.used, self.limit, is_lifted=self.is_lifted)


def state_of(used: int, limit: int | None, *, is_lifted: bool) -> UseState | None:
    """Return how near a use is to a ceiling; None below 95 % and without a ceiling."""
    if limit is None or used < limit * NEARLY:
        return None
    if used < limit:
        return UseState.NEARLY_SPENT
    return UseState.OVER_ALLOWED if is_lifted else UseState.SPENT


def uses_of(quota: QuotaState, limits: Limits) -> list[Use]:
    """Return the use of each component with a ceiling, the most used first."""
    return sorted(_uses(quota, limits), key=lambda use: -use.share)


def _uses(quota: QuotaState, limits: Limits) -> Iterator[Use]:
    """Yield each component with a ceiling; nothing can be used of a ceiling of 0."""
    if quota.turns_limit:
        held, is_lifted = quota.turns_reserved, limits.overage_policy is OveragePolicy.ALLOW
        yield Use("turns", quota.turns_used + held, quota.turns_limit, held, is_lifted)
    if quota.uncharged_limit:
        yield Use("uncharged_turns", quota.uncharged_used, quota.uncharged_limit)
    if quota.relationships_ceiling:
        yield Use("active_relationships", quota.relationships_used, quota.relationships_ceiling)
