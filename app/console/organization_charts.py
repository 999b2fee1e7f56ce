"""The charts of the organization page, made from its data."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.console.charts.bars import stacked_bars
from app.console.charts.lines import Line, lines
from app.console.charts.panel import Panel, Series, Steps
from app.console.charts.plot import Numbers, Plot, plot
from app.console.charts.quota_bar import QuotaBar, quota_bar
from app.console.formats import count, ms, ms_cell

Data = Mapping[str, Any]
HEIGHT = 118
STATUSES = (
    ("completed", "blue"),
    ("guardrail_blocked", "deep"),
    ("timed_out", "orange"),
    ("failed", "wine"),
)
TOKENS = (("input_tokens", "blue"), ("output_tokens", "deep"))
REFUSALS = (("rate_limited", "orange"), ("quota_exhausted", "wine"))
_WORDS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "rate_limited": "rate limited",
    "quota_exhausted": "quota spent",
}


def organization_charts(data: Data) -> dict[str, Any]:
    """Return the charts whose parts have data."""
    charts: dict[str, Any] = {}
    if data["usage"]["unavailable"] is None:
        charts |= _usage_charts(data["usage"])
        if data["refusals"]["unavailable"] is None:
            charts["refusals"] = _refusals(data["usage"], data["refusals"])
    if data["quota"].get("is_loaded"):
        charts["bars"] = _bars(data["quota"])
    return charts


def _usage_charts(usage: Data) -> dict[str, Plot]:
    days, steps = usage["days"], Steps(len(usage["days"]), is_last_partial=True)
    turns = stacked_bars(_series(days, STATUSES), steps, HEIGHT)
    tokens = stacked_bars(_series(days, TOKENS), steps, HEIGHT)
    # On an axis of seconds, as the panel's title says.
    times = [
        Line(kind, [None if day[name] is None else day[name] / 1_000 for day in days])
        for kind, name in (("l-95", "p95_ms"), ("l-50", "p50_ms"))
    ]
    return {
        "turns": _plot(usage, turns, [_turns(day) for day in days]),
        "tokens": _plot(usage, tokens, [_tokens(day) for day in days]),
        "times": _plot(usage, lines(times, steps, HEIGHT), [_times(day) for day in days]),
    }


def _refusals(usage: Data, refusals: Data) -> Plot:
    found = refusals["days"]
    series = [
        Series(_WORDS[name], ink, [each[name] if each else None for each in found])
        for name, ink in REFUSALS
    ]
    panel = stacked_bars(series, Steps(len(found), is_last_partial=True), HEIGHT)
    numbers = [_refused(day, each) for day, each in zip(usage["days"], found, strict=True)]
    return _plot(usage, panel, numbers)


def _series(days: Sequence[Data], parts: Sequence[tuple[str, str]]) -> list[Series]:
    return [Series(_WORDS.get(name, name), ink, [day[name] for day in days]) for name, ink in parts]


def _plot(usage: Data, panel: Panel, numbers: Sequence[Numbers]) -> Plot:
    """Return the panel over the days, with the start of the billing period if it is among them."""
    names = [day["day"] for day in usage["days"]]
    start = usage["period_start"][:10]
    mark = names.index(start) if start in names[1:] else None
    starts = [datetime.fromisoformat(name).replace(tzinfo=UTC) for name in names]
    return plot([("", panel)], starts, numbers, mark)


def _turns(day: Data) -> Numbers:
    turns = f"{count(day['turns'])} {'turn' if day['turns'] == 1 else 'turns'}"
    parts = [f"{count(day[name])} {name}" for name, _ in STATUSES]
    bad = [f"{count(day['failed'])} failed", f"{count(day['timed_out'])} timed out"]
    return _numbers(day, [turns, *parts], [turns, *bad])


def _tokens(day: Data) -> Numbers:
    if day["input_tokens"] is None:
        text = "not recorded: archived before tokens were summed"
        return _numbers(day, [text], ["not recorded"])
    parts = [f"{count(day[name])} {_WORDS[name]} tokens" for name, _ in TOKENS]
    return _numbers(day, parts, parts)


def _refused(day: Data, refused: Data | None) -> Numbers:
    if refused is None:
        return _numbers(day, ["not recorded"], ["not recorded"])
    parts = [f"{count(refused[name])} {_WORDS[name]}" for name, _ in REFUSALS]
    return _numbers(day, parts, parts)


def _times(day: Data) -> Numbers:
    if day["p50_ms"] is None:
        return _numbers(day, ["no turns"], ["no turns"])
    return _numbers(
        day,
        [f"p50 {ms_cell(day['p50_ms'])} ms", f"p95 {ms_cell(day['p95_ms'])} ms"],
        [f"p50 {ms(day['p50_ms'])}", f"p95 {ms(day['p95_ms'])}"],
    )


def _numbers(day: Data, facts: Sequence[str], short: Sequence[str]) -> Numbers:
    at = datetime.fromisoformat(day["day"])
    name = f"{at:%a} {at.day} {at:%b}"
    head = f"{name} {at.year}" + (" (so far)" if day["is_so_far"] else "")
    return Numbers("\n".join([head, *facts]), f"{name} · {', '.join(short)}")


def _bars(quota: Data) -> dict[str, QuotaBar]:
    pace = quota["period_per_mille"] / 1_000
    return {
        each["component"]: quota_bar(each["used"], each["held"], each["limit"], pace)
        for each in quota["components"]
        if each["limit"] is not None
    }
