"""A loop in as many threads, in a process of its own.

`python -m … {"threads": …, "seconds": …, …}` prints `ready`, waits for a line, loops for so long,
then prints one JSON object: how many rounds and seconds, percentiles, CPU seconds.
"""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from bench.processes import cpu_s
from scripts.lib.replay.summary import percentile

Asked = dict[str, Any]
Round = Callable[[], object]


def loop(make: Callable[[Asked], Round]) -> None:
    """Make one round for each thread, then do as the module says."""
    asked: Asked = orjson.loads(sys.argv[1])
    rounds = [make(asked) for _ in range(asked["threads"])]
    for each in rounds:
        each()
    print("ready", flush=True)  # noqa: T201 - our parent reads it
    sys.stdin.readline()
    before_s, start = cpu_s(os.getpid()), time.perf_counter()
    with ThreadPoolExecutor(len(rounds)) as pool:
        runs = [pool.submit(_until, start + asked["seconds"], each) for each in rounds]
        took_s = sorted(took for run in runs for took in run.result())
    result = {
        "count": len(took_s),
        "seconds": time.perf_counter() - start,
        "p50_ms": percentile(took_s, 0.5) * 1_000,
        "p99_ms": percentile(took_s, 0.99) * 1_000,
        "cpu_s": cpu_s(os.getpid()) - before_s,
    }
    sys.stdout.buffer.write(orjson.dumps(result))


def _until(end: float, each: Round) -> list[float]:
    took_s = []
    while (start := time.perf_counter()) < end:
        each()
        took_s.append(time.perf_counter() - start)
    return took_s
