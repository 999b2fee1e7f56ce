"""What the oracle keeps: a bucket's level, the quota hash, and an entry for each turn."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

SECOND_US = 1_000_000
MEMORY_US = 300 * SECOND_US
NOTHING = (0, 0)


@dataclass
class Fields:
    """The quota hash."""

    used: int
    reserved: int
    active: int
    remembered: int
    generation: int
    mark_at: int
    mark_used: int
    settled_at: int
    clock_at: int


@dataclass
class Entry:
    """What is remembered of a turn: charged, reserved or cancelled."""

    state: str
    turns: int
    relationship: str
    recorded_at: int
    counted: int


@dataclass
class Level:
    """The bucket at an instant."""

    tokens: Fraction
    at: int
    rate: Fraction
    now: int
    stepped_back: bool = False

    def until(self, tokens: int) -> int:
        if self.tokens >= tokens:
            return 0
        return ceil((tokens - self.tokens) * SECOND_US / self.rate) + self.at - self.now
