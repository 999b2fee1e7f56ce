"""Values that the oracle keeps: a bucket's level, the quota hash, and an entry for each turn."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from app.admission.policy import BucketPolicy
from app.admission.replies import Counters

SECOND_US = 1_000_000
CACHED_FOR_US = 300 * SECOND_US
NOTHING = (0, 0)


@dataclass
class Fields:
    """The quota hash."""

    used: int
    reserved: int
    active: int
    cached: int
    generation: int
    watermark_at: int
    watermark_used: int
    settled_at: int
    clock_at: int
    uncharged: int = 0
    watermark_uncharged: int = 0

    @property
    def counters(self) -> Counters:
        return Counters(self.generation, self.used, self.reserved, self.active, self.uncharged)


@dataclass
class Entry:
    """The entry of a turn: charged, reserved or cancelled."""

    state: str
    turns: int
    relationship: str
    recorded_at: int
    counted: int

    @property
    def uncharged(self) -> int:
        return int(self.turns == 0)


@dataclass
class Level:
    """The bucket at an instant."""

    tokens: Fraction
    at: int
    rate: Fraction
    now: int
    stepped_back: bool = False

    @classmethod
    def refilled_at(cls, stored: "Level | None", bucket: BucketPolicy, now: int) -> "Level":
        """Return the level of a stored bucket at this instant; None is a full one."""
        full = Fraction(bucket.burst)
        if stored is None:
            return cls(full, now, bucket.rate, now)
        tokens, elapsed = min(stored.tokens, full), now - stored.at
        if elapsed > 0:
            tokens = min(full, tokens + bucket.rate * Fraction(elapsed, SECOND_US))
        stepped_back = elapsed < -SECOND_US
        at = now if elapsed > 0 or stepped_back else stored.at
        return cls(tokens, at, bucket.rate, now, stepped_back)

    def until(self, tokens: int) -> int:
        if self.tokens >= tokens:
            return 0
        return ceil((tokens - self.tokens) * SECOND_US / self.rate) + self.at - self.now
