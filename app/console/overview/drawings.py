"""The charts of the overview, made from its data."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.console.charts.bars import stacked_bars
from app.console.charts.lines import Line, lines
from app.console.charts.panel import Series, Steps
from app.console.charts.plot import Numbers, Plot, plot
from app.console.charts.spark import (
    TABLE_HEIGHT,
    TABLE_WIDTH,
    Spark,
    spark_bars,
    spark_line,
)
from app.console.formats import clock, count, day, ms
from app.console.overview.traffic import REFUSED, Row
from app.console.use_data import use_bars

# The order of the stack: names of the data, words that follow a number, and ink.
STACK = (
    ("admitted", "admitted", "blue"),
    ("client_error", "client errors", "grey"),
    ("rate_limited", "rate limited", "orange"),
    ("quota_exhausted", "quota spent", "wine"),
    ("server_error", "server errors", "ink"),
)
_HEIGHTS = (144, 78, 84)
_DAY_S = 86_400


def draw(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the charts of all parts whose store is available."""
    charts: dict[str, Any] = {}
    if not data["traffic"]["unavailable"]:
        charts["traffic"] = _traffic(data["traffic"])
    if not data["now"]["unavailable"]:
        charts["now"] = _sparks(data["now"]["steps"])
    if not data["near"]["unavailable"]:
        charts["near"] = use_bars(data["near"]["accounts"])
    if not data["limited"]["unavailable"]:
        charts["limited"] = [_refusals(row) for row in data["limited"]["organizations"]]
    return charts


def _traffic(traffic: Mapping[str, Any]) -> Plot:
    rows: Sequence[Row] = traffic["steps"]
    steps = Steps(len(rows), is_last_partial=not rows[-1]["is_over"])
    per = {60: "minute", 900: "15 minutes", 3_600: "hour"}[traffic["step_s"]]
    requests, failed, times = _HEIGHTS
    return plot(
        [
            (f"Requests per {per}", stacked_bars(_series(rows, 1), steps, requests)),
            (
                f"Refused and failed per {per}",
                stacked_bars(_series(rows, len(STACK))[1:], steps, failed),
            ),
            ("Answer time, ms", lines(_lines(rows), steps, times)),
        ],
        [datetime.fromisoformat(row["at"]) for row in rows],
        [_numbers(row, traffic["step_s"]) for row in rows],
    )


def _series(rows: Sequence[Row], traces_count: int) -> list[Series]:
    """Return the stack; only the first `traces_count` series show values below a pixel."""
    return [
        Series(words, ink, [row[name] for row in rows], shows_traces=index < traces_count)
        for index, (name, words, ink) in enumerate(STACK)
    ]


def _lines(rows: Sequence[Row]) -> list[Line]:
    return [
        Line(f"l-{name[1:3]}", [row[name] for row in rows], f"{name[:3]} {ms(rows[-1][name])}")
        for name in ("p95_ms", "p50_ms")
    ]


def _numbers(row: Row, step_s: int) -> Numbers:
    at = clock(row["at"], seconds=False)
    if step_s * 60 > _DAY_S:
        at = f"{day(row['at'], row['at'])}, {at}"
    if row["requests"] is None:
        return Numbers(f"{at} UTC\nno data", f"{at} · no data")
    so_far = "" if row["is_over"] else ", so far"
    parts = [f"{count(row[name])} {words}" for name, words, _ in STACK]
    times = f"p50 {ms(row['p50_ms'])}, p95 {ms(row['p95_ms'])}"
    missing = row["minutes"] - row["recorded_minutes"]
    notes = [f"{missing} of {row['minutes']} minutes without data"] if missing else []
    facts = [f"{at} UTC{so_far}", f"{count(row['requests'])} requests", *parts, times, *notes]
    line = f"{at}{so_far} · {count(row['requests'])} requests, {', '.join(parts[1:])} · {times}"
    return Numbers("\n".join(facts), line)


def _sparks(rows: Sequence[Row]) -> dict[str, Spark]:
    refused = [
        None if row["requests"] is None else sum(row[name] for name in REFUSED) for row in rows
    ]
    return {
        "requests": spark_line([row["requests"] for row in rows]),
        "refused": spark_bars(refused, "orange"),
        "server_error": spark_bars([row["server_error"] for row in rows], "ink"),
        "p50_ms": spark_line([row["p50_ms"] for row in rows]),
        "p95_ms": spark_line([row["p95_ms"] for row in rows]),
    }


def _refusals(row: Mapping[str, Any]) -> Spark:
    ink = "orange" if row["is_by_rate"] else "wine"
    return spark_bars(row["last_hour"], ink, TABLE_WIDTH, TABLE_HEIGHT)
