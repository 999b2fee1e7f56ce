"""Define what the package's methods return."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Count the rows of an outbox."""

    open: int
    waiting: int
    refused: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Hold a turn that the ledger refused for good; `body` is the wire's JSON."""

    turn_id: str
    reason: str
    body: str
