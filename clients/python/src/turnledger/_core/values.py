"""Values that pass between the parts of the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Protocol

MAX_BATCH_COUNT = 500
# A batch costs one token of the rate limit for so many turns begun.
TURNS_OF_A_TOKEN = 50
# The ledger takes 1 MiB; the frame of a batch and the ids of completions need some room.
MAX_BATCH_BYTES = 1024 * 1024 - 16 * 1024


class State(IntEnum):
    """The state of a turn in the outbox."""

    OPEN = 0
    RECORD = 1
    COMPLETE = 2
    CANCEL = 3
    REFUSED = 4


class Outcome(Enum):
    """How a model call ended."""

    COMPLETED = "completed"
    BLOCKED = "blocked"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CLOSED_EARLY = "closed_early"
    """The reader left after the first token."""
    CANCELLED = "cancelled"
    """The reader left before the first token."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `path` without the base URL."""

    method: str
    path: str
    body: bytes | None = None
    params: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request, whatever its status; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange(Protocol):
    """Sends one request once. Raises NetworkError or LedgerTimeoutError without an answer."""

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        """Return the answer."""


@dataclass(frozen=True, slots=True)
class Account:
    """The ledger and the key that rows of the outbox belong to; the key itself is not kept."""

    base_url: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Row:
    """A turn in the outbox; `body` is what is sent, as it stands."""

    seq: int
    turn_id: str
    interaction_id: str | None
    state: State
    body: str
    created_ms: int
    due_ms: int
    tries: int
    refusal: str | None
