"""Limit how long the MongoDB operations of a thread take together."""

from pymongo import timeout

# `with bounded(seconds)`: all MongoDB operations of this thread inside it, together.
bounded = timeout

# The driver checks every 500 ms whether it has found a server, and may notice its deadline so late.
# The rest is for noticing and answering: a killed primary took 20 ms beyond the check.
_LATE_MS = 600


def budget_s(timeout_ms: int) -> float:
    """Return the seconds to allow MongoDB so that its call ends within `timeout_ms`.

    Below 1,200 ms that cannot be kept: the call then ends at most 600 ms after half of it.
    """
    return max(timeout_ms - _LATE_MS, timeout_ms / 2) / 1_000
