"""Hold what the parts of the package share."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Hold one Counts."""

    open: int
    waiting: int
    refused: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Hold one Refused."""

    turn_id: str
    reason: str
    body: str
