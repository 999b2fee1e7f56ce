"""Panels: a grid, bars or lines in it, and gaps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from app.console.charts.scale import GridLine, percent

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """One value a step, or None; `ink` is `blue`, `deep`, `orange`, `wine` or `ink`.

    A part of a bar is at least 1 px high, so that nothing that happened is invisible. Without
    `shows_traces` it is left out below half a pixel: another panel shows it on its own scale.
    """

    name: str
    ink: str
    values: Values
    shows_traces: bool = True


@dataclass(frozen=True, slots=True)
class Steps:
    """The number of steps; the last one may not be over yet."""

    count: int
    is_last_partial: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a bar; a partial one is pale."""

    x: str
    y: int
    width: str
    height: int
    ink: str
    is_partial: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Lines over steps without a gap: points by the class of the line, and the band between."""

    lines: tuple[tuple[str, str], ...]
    band: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A value alone, without neighbours to draw a line to."""

    x: str
    y: float
    line: str


@dataclass(frozen=True, slots=True)
class Tag:
    """The label of a line at its right end."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Steps without data."""

    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Panel:
    """All that is drawn over the steps, on one scale."""

    height: int
    steps_count: int
    grid: tuple[GridLine, ...]
    gaps: tuple[Gap, ...]
    bars: tuple[Bar, ...] = ()
    runs: tuple[Run, ...] = ()
    dots: tuple[Dot, ...] = ()
    tags: tuple[Tag, ...] = ()


def find_gaps(all_values: Sequence[Values], steps: Steps) -> tuple[Gap, ...]:
    """Return the runs of steps for which no series has a value."""
    is_missing = [
        all(values[index] is None for values in all_values) for index in range(steps.count)
    ]
    return tuple(_runs(is_missing, steps.count))


def _runs(is_missing: Sequence[bool], count: int) -> Iterator[Gap]:
    for missing, found in groupby(range(count), key=is_missing.__getitem__):
        if missing:
            indexes = list(found)
            yield Gap(percent(indexes[0], count), percent(len(indexes), count))
