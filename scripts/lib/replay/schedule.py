"""Group arrivals into requests, each due at an instant of the run."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from scripts.lib.replay.trace import Arrival


@dataclass(frozen=True, slots=True)
class Shot:
    """One request, due `due_s` after the start of the run."""

    due_s: float
    arrivals: Sequence[Arrival]


def plan_shots(arrivals: Sequence[Arrival], speed: float, batch_size: int) -> list[Shot]:
    """Return the requests, with the trace's intervals divided by `speed`.

    A batch is due with its last arrival, as if a producer had waited for it to fill.
    """
    rest = iter(arrivals)
    shots = []
    while group := list(islice(rest, batch_size)):
        shots.append(Shot(group[-1].offset_us / 1_000_000 / speed, group))
    return shots
