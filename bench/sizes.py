"""How large a run is: the same for all of its cases."""

from dataclasses import dataclass

WORKERS_COUNT = 2


@dataclass(frozen=True, slots=True)
class Sizes:
    """Turns to load, pairs to take, how long one sample lasts, how many connections load keeps."""

    turns: int
    pairs: int
    seconds: int
    connections: int
