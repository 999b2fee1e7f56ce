"""Panels of lines: p50 solid, p95 dotted, and a pale band between."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from app.console.charts.panel import Dot, Panel, Run, Steps, Tag, Values, find_gaps
from app.console.charts.scale import Scale, grid_of, percent, scale_of

_LINE_OF_TEXT_PX = 12
# From the middle of a digit to its base.
_BASELINE_PX = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One value a step, or None; `kind` is `l-50` or `l-95`, and `tag` its label at the end."""

    kind: str
    values: Values
    tag: str = ""


def lines(drawn: Sequence[Line], steps: Steps, height: int) -> Panel:
    """Return lines, the upper one first; all have their gaps at the same steps."""
    known = [value for line in drawn for value in line.values if value is not None]
    scale = scale_of(max(known, default=0), height)
    found = list(_runs_of(drawn, steps))
    alone = [indexes[0] for indexes in found if len(indexes) == 1]
    return Panel(
        height=height,
        steps_count=steps.count,
        grid=grid_of(scale),
        gaps=find_gaps([line.values for line in drawn], steps),
        runs=tuple(_run(drawn, indexes, scale) for indexes in found if len(indexes) > 1),
        dots=tuple(
            Dot(percent(index + 0.5, steps.count), round(_y(line, index, scale), 1), line.kind)
            for index in alone
            for line in drawn
        ),
        tags=tuple(_tags(drawn, scale)),
    )


def _runs_of(drawn: Sequence[Line], steps: Steps) -> Iterator[list[int]]:
    def is_known(index: int) -> bool:
        return all(line.values[index] is not None for line in drawn)

    for known, found in groupby(range(steps.count), key=is_known):
        if known:
            yield list(found)


def _run(drawn: Sequence[Line], indexes: Sequence[int], scale: Scale) -> Run:
    points = [
        [f"{index + 0.5:g},{_y(line, index, scale):.1f}" for index in indexes] for line in drawn
    ]
    band = " ".join([*points[0], *reversed(points[-1])]) if len(drawn) > 1 else ""
    kinds = [line.kind for line in drawn]
    return Run(tuple(zip(kinds, map(" ".join, points), strict=True)), band)


def _y(line: Line, index: int, scale: Scale) -> float:
    return scale.y_of(line.values[index] or 0)


def _tags(drawn: Sequence[Line], scale: Scale) -> Iterator[Tag]:
    """Yield the labels of the last values, at least a line of text apart and above the axis."""
    tagged = [(line.values[-1], line.tag) for line in drawn if line.values and line.tag]
    known = [(value, tag) for value, tag in tagged if value is not None]
    above = -float(_LINE_OF_TEXT_PX)
    for left_count, (value, tag) in zip(reversed(range(len(known))), known, strict=True):
        lowest = scale.height - left_count * _LINE_OF_TEXT_PX
        wanted = min(scale.y_of(value) + _BASELINE_PX, lowest)
        above = max(wanted, above + _LINE_OF_TEXT_PX)
        yield Tag(round(above, 1), tag)
