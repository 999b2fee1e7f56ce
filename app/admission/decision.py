"""Values of admission: charges, verdicts and decisions, for every room above."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import NamedTuple

from app.tenancy.periods import Period


@dataclass(frozen=True, slots=True)
class TurnCharge:
    """A turn to charge, and what it costs.

    `turn_key` names the turn within its account and contains no blanks. `relationship_id` is set
    only if the turn counts a relationship, never with a cost of 0 turns. A turn that costs 0 is
    an uncharged turn: it counts towards a ceiling of its own.
    """

    turn_key: str
    turns: int
    relationship_id: str | None


class Verdict(IntEnum):
    """The outcome for one turn; the numbers are those of the script."""

    CHARGED = 0  # or reserved, or cancelled
    REPLAYED = 1  # charged or reserved minutes ago: that charge or hold stands, there is no second
    TURNS_EXHAUSTED = 2
    RELATIONSHIPS_EXHAUSTED = 3
    CONFLICT = 4  # the same, but with another cost or relationship
    RECORDED = 5  # charged minutes ago: can be neither reserved nor cancelled
    CANCELLED = 6  # minutes ago: can be neither reserved nor recorded
    TOO_MANY_OPEN = 7  # too many reservations are open
    UNCHARGED_EXHAUSTED = 8

    @property
    def is_exhausted(self) -> bool:
        """Return True if the quota refused the turn."""
        return self in _EXHAUSTED


_EXHAUSTED = frozenset(
    {Verdict.TURNS_EXHAUSTED, Verdict.RELATIONSHIPS_EXHAUSTED, Verdict.UNCHARGED_EXHAUSTED}
)


@dataclass(frozen=True, slots=True)
class ItemCharge:
    """The charge of one turn; `recorded_at_us` is 0 unless it was charged, now or minutes ago.

    `fits_at_us` is set if the quota refused the turn: from that instant it fits, because enough
    open reservations have expired. It is 0 if charged turns leave no room in this period. With more
    than 50 open reservations it may be too early for a new relationship.
    """

    verdict: Verdict
    recorded_at_us: int
    relationship_counted: bool
    turn_key: str
    fits_at_us: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """The instant that a decision over a reservation reports, and the wait for it.

    | the decision | the instant | is a turn held? |
    | --- | --- | --- |
    | reserved, now or before | when the reservation expires | yes |
    | local, without Redis | when the client's reservation ends | no |
    | TOO_MANY_OPEN: `most_open` reservations are open | when fewer are | no |
    """

    expires_at_us: int
    wait_us: int
    most_open: int


class Outcome(StrEnum):
    """The outcome for the request itself."""

    ADMITTED = "admitted"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    DEGRADED = "degraded"  # admitted without Redis, by this process's share of the rate alone


# BucketState, QuotaState and Decision are named tuples: every request makes one of each, and a
# frozen dataclass takes twice as long to make.
class BucketState(NamedTuple):
    """The bucket after the decision: tokens per second, whole tokens left, when it is full.

    `retry_after_us` is the bucket's own wait, 0 if it admitted.
    """

    rate: Fraction
    remaining: int
    reset_at_us: int
    retry_after_us: int


class QuotaState(NamedTuple):
    """An account's counters and ceilings in its billing period; `None` is unlimited.

    `relationships_ceiling` is what is enforced, also if the plan has no `relationships_limit`.
    """

    turns_used: int
    turns_reserved: int
    turns_limit: int | None
    relationships_used: int
    relationships_limit: int | None
    period_start_us: int
    period_end_us: int
    uncharged_used: int
    uncharged_limit: int
    relationships_ceiling: int


class Decision(NamedTuple):
    """One atomic decision, with all that headers, errors and the recording service need.

    | outcome | if |
    | --- | --- |
    | QUOTA_EXHAUSTED | the request has exactly one turn, and the quota refuses it |
    | RATE_LIMITED | the bucket, too many reservations or the concurrency limiter refuse |
    | DEGRADED | this process admitted it without Redis |
    | ADMITTED | otherwise; look at `items` for the quota |

    `items` has one item for each turn, in order. It is empty if the bucket refused, but for a lone
    turn that the quota refuses as well. A reservation has one item, whose `recorded_at_us` is its
    instant, and a `hold`.

    `time_us` is the current time on Redis's clock. `account_now_us` is the account's instant: later
    than every `recorded_at_us` given out, so perhaps ahead of `time_us`. It is None if no quota is
    loaded. `quota` is None then too, and if a request that only took a token was admitted. A
    decision over an address has none of these, no items and no period.

    `tokens` is the price of the call: what it took, or would have taken.

    `is_local` is True if Redis was not called or did not answer. Then reconciliation counts
    `items`, and `account_now_us` and `quota` are None.
    """

    outcome: Outcome
    bucket: BucketState
    time_us: int
    account_now_us: int | None = None
    quota: QuotaState | None = None
    items: tuple[ItemCharge, ...] = ()
    generation: int = 0
    period: Period | None = None
    is_local: bool = False
    hold: Hold | None = None
    tokens: int = 1

    @property
    def is_bucket_empty(self) -> bool:
        """Return True if the bucket refused: it lacked the tokens."""
        return self.bucket.retry_after_us > 0

    @property
    def quota_period(self) -> str:
        """Return the label of the period that was charged, `2026-11-05`."""
        if self.period is None:
            raise AssertionError("only an account has a billing period")
        return self.period.label
