"""Read the script's calls from the statistics of Redis servers."""

from collections.abc import Iterable
from typing import Any

from redis import Redis

_CALLS = ("cmdstat_evalsha", "cmdstat_eval")


def script_calls(clients: Iterable[Redis]) -> tuple[int, float]:
    """Return the number of script calls on these servers, and microseconds for each."""
    stats: list[dict[str, Any]] = [client.info("commandstats") for client in clients]
    found = [stat[name] for stat in stats for name in _CALLS if name in stat]
    calls_count = sum(int(each["calls"]) for each in found)
    return calls_count, sum(float(each["usec"]) for each in found) / max(calls_count, 1)
