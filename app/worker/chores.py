"""Describe a chore: one pass of work that the worker repeats."""

from collections.abc import Callable
from dataclasses import dataclass

from app.worker.stop import Wait

PERIOD_S = 60


@dataclass(frozen=True, slots=True)
class Chore:
    """A pass of work with its name, the log event of a failed pass, and its period.

    `run(wait)` does one pass. It waits with the `wait` that it is given, which raises `Stopped` to
    end the pass early; `wait(0)` marks a safe point. `period_s` is the time from the end of a pass
    to the start of the next.
    """

    name: str
    run: Callable[[Wait], None]
    failure_event: str
    period_s: float = PERIOD_S
