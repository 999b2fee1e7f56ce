"""What Redis servers themselves tell of the script's calls."""

from collections.abc import Iterable
from typing import Any

from redis import Redis

_CALLS = ("cmdstat_evalsha", "cmdstat_eval")


def script_calls(clients: Iterable[Redis]) -> tuple[int, float]:
    """How often scripts ran on these servers, all together, and microseconds for each call."""
    stats: list[dict[str, Any]] = [client.info("commandstats") for client in clients]
    told = [stat[name] for stat in stats for name in _CALLS if name in stat]
    calls_count = sum(int(each["calls"]) for each in told)
    return calls_count, sum(float(each["usec"]) for each in told) / max(calls_count, 1)
