"""Many organizations, and which of them an arrival belongs to: all made up from one seed.

The trace has neither. A few organizations have most of the turns (Zipf's law by rank); plan and
day of sign-up are drawn for each by itself, so some of the busiest are on the smallest plan.
"""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import accumulate
from random import Random

from ulid import ULID

from app.tenancy.model import Environment, Plan, Principal, Scope
from scripts.lib.replay.trace import Arrival

# How many of a hundred organizations are on each plan.
PLANS = {"free": 70, "pro": 20, "scale": 8, "enterprise": 2}
EXPONENT = 1.0
_FIRST_DAY = date(2025, 1, 1)
_DAYS_COUNT = 365
_ULID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Population:
    """The organizations, busiest first, and the sum of shares up to each."""

    seed: int
    principals: Sequence[Principal]
    shares: Sequence[float]

    def owner_of(self, arrival: Arrival) -> Principal:
        """Return the owner of a turn: the same for the same seed and line."""
        # Repeatable on purpose, and nothing here is a secret.
        random = Random(f"{self.seed} owner {arrival.line}")  # noqa: S311
        return self.principals[bisect(self.shares, random.random() * self.shares[-1])]


def population(
    plans: Mapping[str, Plan], count: int, seed: int, quota_share: float = 1.0
) -> Population:
    """Make `count` organizations with `quota_share` of the turns of their plan.

    A month's quota lasts for far more than an hour of arrivals: without a share nothing is refused.
    """
    random = Random(f"{seed} organizations")  # noqa: S311
    drawn = random.choices(list(PLANS), list(PLANS.values()), k=count)
    principals = [_principal(plans[plan], number, random) for number, plan in enumerate(drawn)]
    limited = [_limited(principal, quota_share) for principal in principals]
    shares = list(accumulate(rank**-EXPONENT for rank in range(1, count + 1)))
    return Population(seed, limited, shares)


def _principal(plan: Plan, number: int, random: Random) -> Principal:
    return Principal(
        organization_id=f"org_{ULID(random.randbytes(_ULID_BYTES))}",
        organization_name=f"Organization {number + 1}",
        key_id=f"key_{ULID(bytes(_ULID_BYTES))}",
        scope=Scope.READ_WRITE,
        environment=Environment.LIVE,
        plan=plan.id,
        limits=plan.limits,
        signed_up_on=_FIRST_DAY + timedelta(days=random.randrange(_DAYS_COUNT)),
    )


def _limited(principal: Principal, quota_share: float) -> Principal:
    turns = principal.limits.turns
    if turns is None:
        return principal
    ceiling = max(1, round(turns * quota_share))
    return replace(principal, limits=replace(principal.limits, turns=ceiling))
