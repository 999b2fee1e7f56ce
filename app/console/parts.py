"""Compute a part of a page; without its store, say which one is unavailable and why."""

from collections.abc import Callable
from typing import Any

from app.backends.outages import OUTAGES, as_outages, is_of_mongodb
from app.backends.reasons import reason_of


def part(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the data of `read`, with `unavailable` set to None, or to the outage of a store.

    An outage is `{"store": "Redis", "reason": "connection refused"}`, and the part has nothing
    else: the macro `unavailable` of `macros.html` shows it.
    """
    try:
        with as_outages():
            return {"unavailable": None, **read()}
    except OUTAGES as error:
        store = "MongoDB" if is_of_mongodb(error) else "Redis"
        return {"unavailable": {"store": store, "reason": reason_of(error)}}
