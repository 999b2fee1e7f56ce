"""Panels of stacked bars: what went well at the bottom, above it the mildest failure first."""

from collections.abc import Iterator, Sequence

from app.console.charts.panel import Bar, Panel, Series, Steps, find_gaps
from app.console.charts.scale import Scale, grid_of, percent, scale_of

# Of the width of a step.
_GAP, _WIDTH = 0.11, 0.78
# Of a part above another the lowest pixel is left out, so that paper shows between them.
_LEAST_TO_CUT_PX = 2


def stacked_bars(series: Sequence[Series], steps: Steps, height: int) -> Panel:
    """Return bars of `series`, the first at the bottom."""
    totals = [sum(each.values[index] or 0 for each in series) for index in range(steps.count)]
    scale = scale_of(max(totals, default=0), height)
    return Panel(
        height=height,
        steps_count=steps.count,
        grid=grid_of(scale),
        gaps=find_gaps([each.values for each in series], steps),
        bars=tuple(
            bar for index in range(steps.count) for bar in _stack(series, index, steps, scale)
        ),
    )


def _stack(series: Sequence[Series], index: int, steps: Steps, scale: Scale) -> Iterator[Bar]:
    base = scale.height
    x, width = percent(index + _GAP, steps.count), percent(_WIDTH, steps.count)
    is_partial = steps.is_last_partial and index == steps.count - 1
    for each in series:
        part = _height(each, index, scale)
        if not part:
            continue
        is_cut = base < scale.height and part > _LEAST_TO_CUT_PX
        yield Bar(x, base - part, width, part - is_cut, each.ink, is_partial)
        base -= part


def _height(series: Series, index: int, scale: Scale) -> int:
    value = series.values[index]
    if not value:
        return 0
    return max(int(series.shows_traces), round(scale.length_of(value)))
