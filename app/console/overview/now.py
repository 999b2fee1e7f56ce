"""The last full minute, beside the last hour."""

from typing import Any

from app.console.overview.query import RANGES
from app.console.overview.traffic import REFUSED, Row, find_traffic


def find_now() -> dict[str, Any]:
    """Return the last full minute, the minutes of the last hour, and their extremes."""
    traffic = find_traffic(RANGES["1h"])
    steps: list[Row] = traffic["steps"]
    return {
        "as_of": traffic["as_of"],
        "last": steps[-1] | {"refused": _refused(steps[-1])},
        "steps": steps,
        "recorded_minutes": traffic["total"]["recorded_minutes"],
        "highest": {
            "requests": _highest([(row["requests"], row["at"]) for row in steps]),
            "refused": _highest([(_refused(row), row["at"]) for row in steps]),
            "p50_ms": _highest([(row["p50_ms"], row["at"]) for row in steps]),
            "p95_ms": _highest([(row["p95_ms"], row["at"]) for row in steps]),
        },
        "server_errors": traffic["total"]["server_error"],
        "last_server_error_at": max(
            (row["at"] for row in steps if row["server_error"]), default=None
        ),
    }


def _refused(row: Row) -> int | None:
    return None if row["requests"] is None else sum(row[name] for name in REFUSED)


def _highest(values: list[tuple[Any, str]]) -> dict[str, Any] | None:
    """Return the highest known value and its minute; None if no value is known, or all are 0."""
    known = [(value, at) for value, at in values if value]
    if not known:
        return None
    value, at = max(known)
    return {"value": value, "at": at}
