"""Measure the effect of a second worker, and the cost of each kind of request over HTTP."""

from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from typing import Any

from bench.growth.capacity import PROCESSES, rows_of
from bench.growth.requests import KINDS, READING, asking, running_workers
from bench.ledger import empty_ledger, full_ledger
from bench.pairs import Result, alternated
from bench.sizes import WORKERS_COUNT, Sizes
from bench.stage import Stage


def run(stage: Stage, sizes: Sizes) -> Iterator[Result | list[dict[str, Any]]]:
    """Measure two workers beside one for every kind of request, then the table of costs.

    The costs are those with two workers.
    """
    measured: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        ledger = full_ledger(stage, sizes.turns) if kind in READING else empty_ledger(stage)
        with ExitStack() as stack:
            two, one = (
                stack.enter_context(running_workers(stage, ledger, workers_count))
                for workers_count in (WORKERS_COUNT, 1)
            )
            ours = asking(kind, two, ledger, stage, sizes)
            theirs = asking(kind, one, ledger, stage, sizes)
            pairs = alternated(ours, theirs, sizes.pairs)
        measured[kind] = {
            f"cpu_s_{name}": median(mine.beside[f"cpu_s_{name}"] for mine, _ in pairs)
            for name in PROCESSES
        }
        yield Result(f"2 workers, {kind}", "1 worker", "requests/s", pairs, None)
    yield list(rows_of(measured))
