"""Whole steps of the worker's pass: one that fails is counted, and the others go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.backends.containment import Containment
from app.http.provide import provided
from app.usage.upkeep import Upkeep


@contextmanager
def step(event: str) -> Iterator[None]:
    """Contain the failure of a whole step, log it as `event` and count it in the metrics."""
    containment = Containment()
    with containment.of(event):
        yield
    if containment.failures:
        # Damaged notes, which may be why the step failed, must not end the worker.
        with Containment().of("failure_not_counted"):
            provided(Upkeep).note_failures("whole_steps", containment)
