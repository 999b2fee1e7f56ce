"""Count what no caller sees."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Count events of one ledger since its start; plain integers, approximate under threads."""

    delivered: int = 0
    refused: int = 0
    lost: int = 0
    calls_without_usage: int = 0
    outlived_holds: int = 0
    wrapper_errors: int = 0
