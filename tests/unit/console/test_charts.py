"""The geometry of charts: scales, ticks, stacks, lines, gaps, sparklines and quota bars."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.console.charts.bars import stacked_bars
from app.console.charts.lines import Line, lines
from app.console.charts.panel import Series, Steps
from app.console.charts.plot import Numbers, plot
from app.console.charts.quota_bar import quota_bar
from app.console.charts.scale import axis_label, grid_of, percent, scale_of
from app.console.charts.spark import spark_bars, spark_line
from app.console.charts.ticks import time_ticks

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("maximum", "height", "step", "top"),
    [
        (0, 144, 1, 1),
        (1, 144, 1, 1),
        (3, 144, 1, 3),
        (5, 144, 2, 6),
        (1_519, 144, 500, 2_000),
        (250, 78, 100, 300),
        (39.1, 84, 20, 40),
        (0.3, 144, 0.1, 0.3),
        (2_441, 118, 1_000, 3_000),
    ],
)
def test_steps_are_round_and_few(maximum: float, height: int, step: float, top: float) -> None:
    scale = scale_of(maximum, height)
    assert (scale.step, round(scale.top, 9)) == (step, top)


@given(st.floats(0.001, 1e9), st.integers(20, 400))
def test_nothing_is_clipped(maximum: float, height: int) -> None:
    scale = scale_of(maximum, height)
    assert scale.top >= maximum * (1 - 1e-9)
    assert 1 <= scale.steps_count <= (3 if height < 100 else 4)
    grid = grid_of(scale)
    assert (grid[0].y, grid[-1].y, grid[0].label) == (height, 0, "0")


@pytest.mark.parametrize(
    ("value", "label"),
    [(0, "0"), (0.5, "0.5"), (1_500, "1,500"), (20_000, "20 k"), (3_000_000, "3 M")],
)
def test_labels_are_short(value: float, label: str) -> None:
    assert axis_label(value) == label


def test_lengths_have_three_decimals_at_most() -> None:
    assert [percent(8.5, 60), percent(1, 2), percent(0, 7)] == ["14.167%", "50%", "0%"]


def labels(first: datetime, step: timedelta, count: int) -> list[str]:
    """Return the labels of ticks, minor ones in brackets."""
    ticks = time_ticks([first + step * index for index in range(count)])
    return [f"({tick.label})" if tick.is_minor else tick.label for tick in ticks]


def test_ticks_of_an_hour_a_day_a_week_and_months() -> None:
    minute, day = timedelta(minutes=1), timedelta(days=1)
    assert labels(NOON - 28 * minute, minute, 60) == [
        *("11:40", "(11:50)", "12:00", "(12:10)", "12:20", "(12:30)")
    ]
    assert labels(NOON, 15 * minute, 96) == [
        *("12:00", "(15:00)", "18:00", "(21:00)", "00:00", "(03:00)", "06:00", "(09:00)")
    ]
    assert labels(NOON, timedelta(hours=1), 48) == ["()", "1 Dec", "()", "2 Dec"]
    november = datetime(2026, 11, 1, tzinfo=UTC)
    assert labels(november, day, 30) == ["2 Nov", "(9 Nov)", "16 Nov", "(23 Nov)", "30 Nov"]
    assert labels(november, day, 60) == ["1 Nov", "(15 Nov)", "1 Dec", "(15 Dec)"]
    assert labels(november, 7 * day, 12) == ["(1 Nov)", "(1 Dec)", "1 Jan"]


def test_a_tick_is_below_the_centre_of_its_step() -> None:
    (tick, *_) = time_ticks([NOON - timedelta(minutes=28 - index) for index in range(60)])
    assert tick.x == "14.167%"


def stack(*values: float, height: int = 100, traces: bool = True) -> list[tuple[int, int]]:
    """Return top and height of the parts of one bar."""
    inks = ("blue", "orange", "wine", "ink")
    series = [
        Series(ink, ink, [value], shows_traces=traces)
        for ink, value in zip(inks, values, strict=False)
    ]
    return [(bar.y, bar.height) for bar in stacked_bars(series, Steps(1), height).bars]


def test_parts_stand_on_each_other_with_paper_between() -> None:
    assert stack(50, 30, 20) == [(50, 50), (20, 29), (0, 19)]


def test_a_part_of_two_pixels_is_not_cut() -> None:
    assert stack(98, 2) == [(2, 98), (0, 2)]


def test_nothing_that_happened_is_invisible_and_nothing_else_is_drawn() -> None:
    assert stack(9_999, 1, 0) == [(0, 100), (-1, 1)]
    assert stack(9_999, 1, traces=False) == [(0, 100)]
    assert stack(0, 0) == []


@given(st.lists(st.tuples(*[st.integers(0, 10_000)] * 3), min_size=1, max_size=70))
def test_bars_stay_in_their_panel(rows: list[tuple[int, int, int]]) -> None:
    series = [Series("s", "blue", list(column)) for column in zip(*rows, strict=True)]
    panel = stacked_bars(series, Steps(len(rows), is_last_partial=True), 144)
    for bar in panel.bars:
        assert 1 <= bar.height <= 144
        assert -3 <= bar.y < 144
    last = percent(len(rows) - 1 + 0.11, len(rows))
    assert {bar.is_partial for bar in panel.bars if bar.x == last} <= {True}


def test_missing_steps_are_one_gap_and_no_bar() -> None:
    panel = stacked_bars([Series("s", "blue", [1, None, None, 2])], Steps(4), 100)
    assert [(gap.x, gap.width) for gap in panel.gaps] == [("25%", "50%")]
    assert len(panel.bars) == 2


def test_a_line_ends_at_a_gap_and_a_value_alone_is_a_dot() -> None:
    upper = Line("l-95", [40, 20, None, 40], "p95 40 ms")
    lower = Line("l-50", [20, 10, None, 39], "p50 39 ms")
    panel = lines([upper, lower], Steps(4), 80)
    (run,) = panel.runs
    assert run.lines == (("l-95", "0.5,0.0 1.5,40.0"), ("l-50", "0.5,40.0 1.5,60.0"))
    assert run.band == "0.5,0.0 1.5,40.0 1.5,60.0 0.5,40.0"
    assert [(dot.x, dot.y, dot.line) for dot in panel.dots] == [
        ("87.5%", 0.0, "l-95"),
        ("87.5%", 2.0, "l-50"),
    ]
    assert [(gap.x, gap.width) for gap in panel.gaps] == [("50%", "25%")]
    assert [tag.y for tag in panel.tags] == [4.0, 16.0], "labels do not overlap"


def test_panels_share_one_axis() -> None:
    bars = stacked_bars([Series("s", "blue", [1, 2])], Steps(2), 144)
    low = stacked_bars([Series("s", "blue", [1, 2])], Steps(2), 78)
    made = plot(
        [("Requests", bars), ("Refused", low)],
        [NOON, NOON + timedelta(minutes=1)],
        [Numbers("a", "a"), Numbers("b", "b")],
        mark=1,
    )
    assert [(each.top, each.title_y) for each in made.panels] == [(24, 13), (212, 201)]
    assert (made.hit_top, made.bottom, made.height) == (20, 290, 310)
    assert [(hit.x, hit.width) for hit in made.hits] == [("0%", "50%"), ("50%", "50%")]
    assert (made.mark_x, made.has_tags) == ("50%", False)


def test_sparklines() -> None:
    made = spark_line([5, None, 10])
    assert made.lines == ("18.667,12", "93.333,2")
    assert made.dot == ("93.333", "2")
    assert spark_line([None, None]).dot is None
    assert spark_line([]).lines == ()
    bars = spark_bars([0, 1, None, 1_000], "wine").bars
    assert [(bar.x, bar.y, bar.height) for bar in bars] == [("28", 21, 1), ("84", 0, 22)]


@pytest.mark.parametrize(
    ("used", "held", "limit", "expected"),
    [
        (44_408, 38, 50_000, ("88.816%", None, ("88.816%", "0.6%"), None)),
        (51_930, 0, 50_000, ("96.283%", ("96.283%", "3.717%"), None, "96.283%")),
        (1_000, 0, 1_000, ("100%", None, None, None)),
        (999, 1, 1_000, ("99.9%", None, ("99.4%", "0.6%"), None)),
        (0, 0, 10, ("0%", None, None, None)),
        (0, 0, 0, ("0%", None, None, None)),
        (50, 60, 100, ("45.455%", None, ("45.455%", "54.545%"), "90.909%")),
    ],
)
def test_quota_bars(used: int, held: int, limit: int, expected: tuple[object, ...]) -> None:
    bar = quota_bar(used, held, limit)
    assert (bar.used, bar.over, bar.held, bar.limit) == expected


@pytest.mark.parametrize("used", [500, 1_000, 1_001])
def test_a_quota_bar_shows_how_far_the_period_is(used: int) -> None:
    assert quota_bar(used, 0, 1_000, pace=0.5).pace == percent(500, max(1_000, used))
