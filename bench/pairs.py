"""The arithmetic: samples of two sides taken alternately, ratios within pairs, floors and goals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one side: the figure that is compared, and what goes beside it."""

    figure: float
    beside: Mapping[str, float] = field(default_factory=dict)


Side = Callable[[], Sample]
Pair = tuple[Sample, Sample]


@dataclass(frozen=True, slots=True)
class Bar:
    """The ratio that a case must (`floor`) and should (`goal`) reach; `is_cost`: less is better."""

    floor: float
    goal: float
    is_cost: bool = False

    def is_met(self, ratio: float) -> bool:
        """Return True if the floor holds."""
        return ratio <= self.floor if self.is_cost else ratio >= self.floor

    def is_reached(self, ratio: float) -> bool:
        """Return True if the goal is reached."""
        return ratio <= self.goal if self.is_cost else ratio >= self.goal


@dataclass(frozen=True, slots=True)
class Result:
    """A case beside one peer: `bar` is None if the ratio has no floor."""

    case: str
    peer: str
    unit: str
    pairs: Sequence[Pair]
    bar: Bar | None

    @property
    def ratios(self) -> list[float]:
        """Ours by theirs, pair by pair."""
        return [ours.figure / theirs.figure for ours, theirs in self.pairs]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return median(self.ratios)

    @property
    def is_held(self) -> bool:
        """Return True if the floor holds, or there is none."""
        return self.bar is None or self.bar.is_met(self.ratio)

    def middle(self, side: int, name: str | None = None) -> float:
        """Return the median of our (0) or their (1) figures, or of the value `name` beside them."""
        samples = [pair[side] for pair in self.pairs]
        return median(each.beside[name] if name else each.figure for each in samples)


def alternated(ours: Side, theirs: Side, count: int) -> list[Pair]:
    """Alternate A B A B …: so many pairs, after one of each that does not count."""
    return [(first, second) for first, second in rounds((ours, theirs), count)]


def rounds(sides: Sequence[Side], count: int) -> list[tuple[Sample, ...]]:
    """Sample all sides in turn, so many rounds, after one round that does not count."""
    return [tuple(side() for side in sides) for _ in range(count + 1)][1:]
