"""Define the values that the parts of the package hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class State(IntEnum):
    """Name what an outbox row waits for; the numbers are those of the file."""

    OPEN = 0
    RECORD = 1
    COMPLETE = 2
    CANCEL = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class Request:
    """Hold one request; `path` lacks the base URL: `/v1/interactions`."""

    method: str
    path: str
    body: bytes | None = None
    params: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold an answer of any status; the names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange(Protocol):
    """Send one request, once."""

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        """Return the answer. Raises NetworkError or LedgerTimeoutError without one."""


@dataclass(frozen=True, slots=True)
class Account:
    """Name whose turns a row holds, by the first 16 hex digits of a hash of address and key."""

    base_url: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Row:
    """Hold a row of the outbox; `body` is the wire's JSON, sent as it stands."""

    seq: int
    turn_id: str
    interaction_id: str | None
    state: State
    body: str
    created_ms: int
    due_ms: int
    tries: int
    refusal: str | None
