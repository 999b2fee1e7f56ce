"""What admission is asked and what it answers: plain values, known to every room above."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import NamedTuple

from app.tenancy.periods import Period


@dataclass(frozen=True, slots=True)
class TurnCharge:
    """A turn to be charged.

    `turn_key` names it within its account and holds no blanks; `relationship_id` is given only if
    the turn counts a relationship, never with a cost of 0 turns.
    """

    turn_key: str
    turns: int
    relationship_id: str | None


class Verdict(IntEnum):
    """What became of one turn; the numbers are those of the script."""

    CHARGED = 0  # or reserved, or cancelled
    REPLAYED = 1  # the same turn was charged minutes ago: that charge stands, there is no second
    TURNS_EXHAUSTED = 2
    RELATIONSHIPS_EXHAUSTED = 3
    CONFLICT = 4  # charged minutes ago with another cost or relationship, or reserved with another
    RECORDED = 5  # charged minutes ago: can be neither reserved nor cancelled
    CANCELLED = 6  # minutes ago: can be neither reserved nor recorded
    TOO_MANY_OPEN = 7  # too many reservations are open

    @property
    def is_exhausted(self) -> bool:
        """Whether the quota refused the turn."""
        return self in (Verdict.TURNS_EXHAUSTED, Verdict.RELATIONSHIPS_EXHAUSTED)


@dataclass(frozen=True, slots=True)
class ItemCharge:
    """The charge of one turn; `recorded_at_us` is 0 unless it was charged, now or minutes ago.

    `fits_at_us` is set if the quota refused the turn: the instant from which it fits, because
    enough open reservations have expired by then. It is 0 if charged turns leave no room in this
    period. More than 50 open reservations may make it too early for a new relationship.
    """

    verdict: Verdict
    recorded_at_us: int
    relationship_counted: bool
    turn_key: str
    fits_at_us: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when a reservation holds its place, and how far that is from now.

    If it was refused because `most_open` reservations are open: when fewer are.
    """

    expires_at_us: int
    wait_us: int
    most_open: int


class Outcome(StrEnum):
    """The decision over the request itself."""

    ADMITTED = "admitted"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    DEGRADED = "degraded"  # admitted without Redis, by this process's share of the rate alone


# A tuple and the next two as well: every request makes one of each, and a frozen dataclass takes
# twice as long.
class BucketState(NamedTuple):
    """The bucket after the decision: refill rate per second, whole tokens left, when it is full.

    `retry_after_us` is its own wait, 0 if it admitted.
    """

    rate: Fraction
    remaining: int
    reset_at_us: int
    retry_after_us: int


class QuotaState(NamedTuple):
    """An account's counters and ceilings in its billing period; `None` is unlimited."""

    turns_used: int
    turns_reserved: int
    turns_limit: int | None
    relationships_used: int
    relationships_limit: int | None
    period_start_us: int
    period_end_us: int


class Decision(NamedTuple):
    """One atomic decision, with all that headers, errors and the recording service need.

    `outcome` goes by the bucket; a request with exactly one turn is also QUOTA_EXHAUSTED when the
    quota refuses that turn, whatever the bucket says (`is_rate_limited` tells). With several turns
    look at `items`.

    `items` are in the order asked, and empty if the bucket refused (but for the one refused turn
    just told). A reservation has one item too, whose `recorded_at_us` is its instant, and its
    `hold`; too many of them are RATE_LIMITED although the bucket admits. `now_us` is the account's
    instant: later than every `recorded_at_us` given out, and so perhaps ahead of `time_us`, the
    present on Redis's clock; None if no quota is loaded. So is `quota`, also if `Gate.enter` has
    admitted. A decision over an address has neither of them, nor items or period.

    A request that the concurrency limiter refused has paid its token and is RATE_LIMITED, too.

    `is_local` says that Redis was not asked or did not answer: then reconciliation is to charge
    `items`, and neither `now_us` nor `quota` is known.
    """

    outcome: Outcome
    bucket: BucketState
    time_us: int
    now_us: int | None = None
    quota: QuotaState | None = None
    items: tuple[ItemCharge, ...] = ()
    generation: int = 0
    period: Period | None = None
    is_local: bool = False
    hold: Hold | None = None

    @property
    def is_rate_limited(self) -> bool:
        """Whether the bucket refused."""
        return self.bucket.retry_after_us > 0

    @property
    def quota_period(self) -> str:
        """Label of the period that was charged, `2026-11-05`."""
        if self.period is None:
            raise AssertionError("only an account has a billing period")
        return self.period.label
