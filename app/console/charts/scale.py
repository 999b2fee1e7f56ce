"""The axis of values: linear, from 0, with round steps; and lengths as SVG writes them."""

from dataclasses import dataclass
from math import ceil, floor, log10

_ROUND = (1, 2, 5, 10)
_LOW_PANEL_PX = 100


@dataclass(frozen=True, slots=True)
class Scale:
    """`steps_count` steps of `step` from 0 to `top`, over `height` pixels."""

    step: float
    steps_count: int
    height: int

    @property
    def top(self) -> float:
        """The value at the upper end."""
        return self.step * self.steps_count

    def length_of(self, value: float) -> float:
        """Return the pixels of a value."""
        return self.height * value / self.top

    def y_of(self, value: float) -> float:
        """Return the distance of a value from the upper end."""
        return self.height - self.length_of(value)


@dataclass(frozen=True, slots=True)
class GridLine:
    """A line across a panel, and its label."""

    y: float
    label: str
    is_base: bool


def scale_of(maximum: float, height: int) -> Scale:
    """Return the axis that shows values from 0 to `maximum`, with at most 4 steps, or 3 if low."""
    if maximum <= 0:
        return Scale(1, 1, height)
    most = 3 if height < _LOW_PANEL_PX else 4
    step = _smallest_step(maximum, most)
    return Scale(step, ceil(maximum / step), height)


def grid_of(scale: Scale) -> tuple[GridLine, ...]:
    """Return the lines of an axis, the base first."""
    values = [scale.step * index for index in range(scale.steps_count + 1)]
    return tuple(
        GridLine(round(scale.y_of(value), 1), axis_label(value), is_base=not value)
        for value in values
    )


def axis_label(value: float) -> str:
    """Return a label: 0.5, 1,500, 20 k, 3 M."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    if value >= 10_000:
        return f"{value / 1_000:g} k"
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def percent(part: float, whole: float) -> str:
    """Return a length in per cent, with at most 3 decimals: 14.167%."""
    return f"{100 * part / whole:.3f}".rstrip("0").rstrip(".") + "%"


def pixels(value: float) -> str:
    """Return a length with at most 3 decimals: 0.933."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _smallest_step(maximum: float, most: int) -> float:
    """Return the smallest of 1, 2, 5 x 10^k that needs at most `most` steps.

    It is a whole number if the maximum is 1 or more.
    """
    power = floor(log10(maximum / most))
    if maximum >= 1:
        power = max(power, 0)
    steps = (factor * 10.0**power for factor in _ROUND)
    return next(step for step in steps if ceil(maximum / step) <= most)
