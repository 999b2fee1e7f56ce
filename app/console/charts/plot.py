"""Panels over one time axis, with the exact numbers of each step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.console.charts.panel import Panel
from app.console.charts.scale import percent
from app.console.charts.ticks import Tick, time_ticks

_FIRST_TOP_PX, _BETWEEN_PX, _AXIS_PX = 24, 44, 20
_TITLE_ABOVE_PX, _HIT_ABOVE_PX = 11, 4


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a step: one fact a line as a title, and in one line for the top right."""

    title: str
    line: str


@dataclass(frozen=True, slots=True)
class PositionedPanel:
    """A panel, its title, and their distance from the top."""

    panel: Panel
    title: str
    top: int
    title_y: int


@dataclass(frozen=True, slots=True)
class Hit:
    """The area of a step, which the pointer meets."""

    x: str
    width: str
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Plot:
    """Panels, the axis below them, areas over them, and perhaps a line at the start of a period."""

    panels: tuple[PositionedPanel, ...]
    ticks: tuple[Tick, ...]
    hits: tuple[Hit, ...]
    hit_top: int
    bottom: int
    height: int
    has_tags: bool
    mark_x: str | None


def plot(
    panels: Sequence[tuple[str, Panel]],
    starts: Sequence[datetime],
    numbers: Sequence[Numbers],
    mark: int | None = None,
) -> Plot:
    """Arrange `panels` with their titles; `starts` and `numbers` have one element a step.

    `mark` is the step that a dotted line precedes: the first of the billing period.
    """
    positioned = tuple(_position(panels))
    bottom = positioned[-1].top + positioned[-1].panel.height
    count, top = len(starts), positioned[0].top
    return Plot(
        panels=positioned,
        ticks=time_ticks(starts),
        hits=tuple(
            Hit(percent(index, count), percent(1, count), each)
            for index, each in enumerate(numbers)
        ),
        hit_top=top - _HIT_ABOVE_PX,
        bottom=bottom,
        height=bottom + _AXIS_PX,
        has_tags=any(each.panel.tags for each in positioned),
        mark_x=None if mark is None else percent(mark, count),
    )


def _position(panels: Sequence[tuple[str, Panel]]) -> Iterator[PositionedPanel]:
    top = _FIRST_TOP_PX
    for title, panel in panels:
        yield PositionedPanel(panel, title, top, top - _TITLE_ABOVE_PX)
        top += panel.height + _BETWEEN_PX
