"""Closed-loop load with requests so large that none may be cut off: those begun are waited for."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from threading import Lock
from urllib.parse import urlsplit

from bench.wrk import Load
from scripts.lib.replay.summary import percentile

_JSON = {"Content-Type": "application/json"}


def posted(
    url: str,
    headers: Mapping[str, str],
    bodies: Iterable[bytes],
    *,
    seconds: float,
    connections: int,
) -> Load:
    """Post body after body for so long, then wait for the last; AssertionError unless 200."""
    rest, lock = iter(bodies), Lock()
    target, began = urlsplit(url), time.perf_counter()

    def work() -> list[float]:
        took_s: list[float] = []
        connection = HTTPConnection(target.netloc)
        while (start := time.perf_counter()) < began + seconds:
            with lock:
                body = next(rest)
            connection.request("POST", target.path, body, {**_JSON, **headers})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise AssertionError(f"{url}: {answer.status} {content[:200]!r}")
            took_s.append(time.perf_counter() - start)
        connection.close()
        return took_s

    with ThreadPoolExecutor(connections) as pool:
        runs = [pool.submit(work) for _ in range(connections)]
        took_s = sorted(took for run in runs for took in run.result())
    per_s = len(took_s) / (time.perf_counter() - began)
    p50, p99 = (percentile(took_s, share) * 1_000 for share in (0.5, 0.99))
    return Load(len(took_s), per_s, p50, p99, 0)
