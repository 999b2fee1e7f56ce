"""Peers that are bare loops: as many processes as the service has workers, started together."""

import subprocess
import sys
from contextlib import ExitStack
from statistics import mean
from typing import Any

import orjson

from bench.pairs import Sample, Side
from bench.processes import cpu_meter
from bench.sizes import WORKERS_COUNT, Sizes
from bench.stage import Stage
from tests.servers import ROOT


def looping(
    stage: Stage, sizes: Sizes, module: str, *, threads: int = 1, units: int = 1, **asked: Any
) -> Side:
    """Measure units a second of all processes; a round of `module`'s loop is so many units."""
    job = orjson.dumps(
        {"threads": threads, "seconds": sizes.seconds, "units": units, **asked}
    ).decode()

    def sample() -> Sample:
        with ExitStack() as stack:
            processes = [
                stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-m", f"bench.peers.{module}", job],
                        cwd=ROOT,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                    )
                )
                for _ in range(WORKERS_COUNT)
            ]
            _wait_for(processes)
            meter = cpu_meter(stage.stores)
            runs = [orjson.loads(process.communicate(b"\n")[0]) for process in _started(processes)]
        return _sample(runs, units, meter(sum(run["count"] for run in runs) * units))

    return sample


def _wait_for(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise AssertionError("a loop could not start; see its message above")


def _started(processes: list[subprocess.Popen[bytes]]) -> list[subprocess.Popen[bytes]]:
    """Have all begin before the first one is waited for."""
    for process in processes:
        if process.stdin is not None:
            process.stdin.write(b"\n")
            process.stdin.flush()
    return processes


def _sample(runs: list[dict[str, float]], units: int, cpu: dict[str, float]) -> Sample:
    count = sum(run["count"] for run in runs) * units
    beside = {
        "p50_ms": mean(run["p50_ms"] for run in runs),
        "p99_ms": max(run["p99_ms"] for run in runs),
        "cpu_s_app": sum(run["cpu_s"] for run in runs) / count * 1_000,
        **cpu,
    }
    return Sample(sum(run["count"] * units / run["seconds"] for run in runs), beside)
