"""Results for the eyes and for machines."""

from typing import Any

from bench.pairs import Bar, Result


def line(result: Result) -> dict[str, Any]:
    """Return one line of the table: a ratio first, absolute figures only beside it."""
    low, high = min(result.ratios), max(result.ratios)
    return {
        "case": result.case,
        "beside": result.peer,
        "ratio": f"{result.ratio:.2f}",
        "spread": f"{low:.2f}..{high:.2f}",
        **_bar(result.bar, result.ratio),
        "ours : theirs": f"{result.middle(0):,.1f} : {result.middle(1):,.1f} {result.unit}",
        "more": "  ".join(
            f"{name} {result.middle(0, name):.2f} : {result.middle(1, name):.2f}"
            for name in result.pairs[0][0].beside
            if name in result.pairs[0][1].beside
        ),
    }


def brief(result: Result) -> str:
    """Return a short line, for people who wait."""
    verdict = _bar(result.bar, result.ratio)["verdict"]
    return f"{result.case} beside {result.peer}: {result.ratio:.2f}, {verdict}"


def record(result: Result) -> dict[str, Any]:
    """Return the record for JSON, with every pair."""
    return line(result) | {
        "median": result.ratio,
        "ratios": result.ratios,
        "is_held": result.is_held,
        "pairs": [
            [{"figure": side.figure, **side.beside} for side in pair] for pair in result.pairs
        ],
    }


def _bar(bar: Bar | None, ratio: float) -> dict[str, Any]:
    if bar is None:
        return {"floor": None, "goal": None, "verdict": "for information"}
    sign = "≤" if bar.is_cost else "≥"
    held = "goal reached" if bar.is_reached(ratio) else "floor held"
    return {
        "floor": f"{sign} {bar.floor:g}",
        "goal": f"{sign} {bar.goal:g}",
        "verdict": held if bar.is_met(ratio) else "BELOW THE FLOOR",
    }
