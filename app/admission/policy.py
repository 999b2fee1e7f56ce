"""The limits in force for one call, checked and in the script's units."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

from app.tenancy.model import Limits, OveragePolicy
from app.tenancy.periods import Period

SECOND_US = 1_000_000
UNLIMITED = -1
# A full burst each second for as long as a reservation holds by default: a cap on memory only.
RESERVATIONS_PER_BURST = 150
# A reservation may hold for so long, and so into the next period.
MAX_HOLD_S = 3_600
# A bound on Redis's memory: for plans without a ceiling, and under overage.
MAX_RELATIONSHIPS = 1_000_000
# Lua's numbers are doubles: below this every integer is exact.
EXACT_BELOW = 2**53


@dataclass(frozen=True)  # without slots, so that what every call needs is made once
class BucketPolicy:
    """A token bucket: `rate` tokens per second, at most `burst` at once.

    ValueError if its level could not be an exact integer. The period is the rate's denominator in
    seconds, so all whole rates share a unit and a change of plan leaves the level as it is.
    """

    rate: Fraction
    burst: int

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.burst < 1 or self.burst * self.period_us >= EXACT_BELOW:
            raise ValueError(f"no exact token bucket of {self.rate} per second, burst {self.burst}")

    @cached_property
    def period_us(self) -> int:
        """Microseconds in which `rate.numerator` tokens come."""
        return self.rate.denominator * SECOND_US

    @staticmethod
    @lru_cache(maxsize=1_024)
    def of(limits: Limits) -> "BucketPolicy":
        """Return an organization's bucket."""
        return BucketPolicy(Fraction(limits.requests_per_second), limits.burst)

    def arguments(self, tokens: int) -> list[int]:
        """Return the script's arguments; ValueError if the bucket can never hold `tokens`."""
        if not 0 <= tokens <= self.burst:
            raise ValueError(f"{tokens} tokens from a bucket of {self.burst}")
        return [self.rate.numerator, self.period_us, self.burst, tokens]

    @cached_property
    def one_token(self) -> tuple[int, ...]:
        """Return the script's arguments for one token, the price of almost every call."""
        return tuple(self.arguments(1))


def most_reservations(limits: Limits) -> int:
    """Return how many reservations an account may have open at a time."""
    return limits.burst * RESERVATIONS_PER_BURST


@dataclass(frozen=True)  # as above
class QuotaPolicy:
    """The ceilings that are enforced for an account in one billing period.

    `turns_limit` is -1 without one, and `overage_allowed` lifts it. The other two always refuse:
    they bound what an account may store.
    """

    period: Period
    turns_limit: int
    relationships_limit: int
    overage_allowed: bool
    uncharged_limit: int

    @staticmethod
    @lru_cache(maxsize=1_024)
    def of(limits: Limits, period: Period) -> "QuotaPolicy":
        """Return an account's quota under `limits`."""
        return QuotaPolicy(
            period,
            UNLIMITED if limits.turns is None else limits.turns,
            _relationships_limit(limits),
            limits.overage_policy is OveragePolicy.ALLOW,
            limits.uncharged_ceiling,
        )

    @cached_property
    def arguments(self) -> tuple[int, ...]:
        """Return the script's arguments."""
        return (
            self.period.start_us,
            self.period.end_us,
            self.turns_limit,
            self.relationships_limit,
            int(self.overage_allowed),
            self.uncharged_limit,
        )


def _relationships_limit(limits: Limits) -> int:
    """Return the ceiling that is enforced.

    | the plan | enforced |
    | --- | --- |
    | blocks at a ceiling | the ceiling |
    | has no ceiling | `MAX_RELATIONSHIPS` |
    | has one and allows overage | the larger of both |
    """
    ceiling = limits.active_relationships
    if ceiling is None:
        return MAX_RELATIONSHIPS
    is_lifted = limits.overage_policy is OveragePolicy.ALLOW
    return max(ceiling, MAX_RELATIONSHIPS) if is_lifted else ceiling
