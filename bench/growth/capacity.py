"""From CPU seconds to capacity: the one formula of `docs/internals/scaling.md`.

A request that costs c CPU seconds for each 1,000 keeps c cores busy at 1,000 requests a second.
"""

from collections.abc import Iterator, Mapping
from typing import Any

# A queue grows without bounds as a core nears 1; at this share a request waits about as long as it
# is worked on.
BUSY_SHARE = 0.6
PROCESSES = ("app", "redis", "mongod")


def per_core_and_s(cpu_s_per_1000: float) -> float:
    """Return requests a second of one core that is busy for `BUSY_SHARE` of the time."""
    return BUSY_SHARE * 1_000 / cpu_s_per_1000 if cpu_s_per_1000 else float("inf")


def rows_of(measured: Mapping[str, Mapping[str, float]]) -> Iterator[dict[str, Any]]:
    """Return a row for each kind of request: CPU of each process, and requests of a core."""
    for kind, beside in measured.items():
        cost = {name: beside[f"cpu_s_{name}"] for name in PROCESSES}
        yield {
            "request": kind,
            **{f"CPU s per 1,000, {name}": f"{value:.2f}" for name, value in cost.items()},
            **{
                f"requests/s a core of {name}": f"{per_core_and_s(value):,.0f}"
                for name, value in cost.items()
            },
        }
