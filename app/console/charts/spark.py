"""Sparklines: a line or bars from 0 to the maximum, without an axis, beside their number."""

from dataclasses import dataclass
from itertools import groupby

from app.console.charts.panel import Values
from app.console.charts.scale import pixels

WIDTH, HEIGHT = 112, 22
TABLE_WIDTH, TABLE_HEIGHT = 96, 20
# Room for half of the dot above the highest value.
_ABOVE_PX = 2


@dataclass(frozen=True, slots=True)
class SparkBar:
    """One bar."""

    x: str
    y: int
    width: str
    height: int


@dataclass(frozen=True, slots=True)
class Spark:
    """Lines with a dot on the last value, or bars in `ink`."""

    width: int
    height: int
    lines: tuple[str, ...] = ()
    dot: tuple[str, str] | None = None
    bars: tuple[SparkBar, ...] = ()
    ink: str = ""


def spark_line(values: Values, width: int = WIDTH, height: int = HEIGHT) -> Spark:
    """Return a line that ends at each gap; the dot is on the last value, if there is one."""
    most = max((value for value in values if value is not None), default=0) or 1

    def point(index: int) -> tuple[str, str]:
        x = width * (index + 0.5) / len(values)
        y = height - (height - _ABOVE_PX) * (values[index] or 0) / most
        return pixels(x), pixels(y)

    runs = groupby(range(len(values)), key=lambda index: values[index] is not None)
    lines = tuple(" ".join(map(",".join, map(point, run))) for is_known, run in runs if is_known)
    has_last = bool(values) and values[-1] is not None
    return Spark(width, height, lines, point(len(values) - 1) if has_last else None)


def spark_bars(values: Values, ink: str, width: int = WIDTH, height: int = HEIGHT) -> Spark:
    """Return bars; a value above 0 is at least 1 px high."""
    most = max((value for value in values if value is not None), default=0) or 1
    step = width / max(1, len(values))
    bar_width = pixels(max(step - 1, step / 2))
    heights = [max(1, round(height * value / most)) if value else 0 for value in values]
    bars = tuple(
        SparkBar(pixels(step * index), height - part, bar_width, part)
        for index, part in enumerate(heights)
        if part
    )
    return Spark(width, height, bars=bars, ink=ink)
