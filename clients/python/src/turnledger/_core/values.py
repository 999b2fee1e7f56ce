"""Hold what the parts of the package share."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class State(IntEnum):
    """Hold one State."""

    OPEN = 0
    RECORD = 1
    COMPLETE = 2
    CANCEL = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class Request:
    """Hold one Request."""

    method: str
    path: str
    body: bytes | None = None
    params: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold one Answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange(Protocol):
    """Hold one Exchange."""

    def __call__(self, request: Request, timeout_s: float) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Account:
    """Hold one Account."""

    base_url: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one Row."""

    seq: int
    turn_id: str
    interaction_id: str | None
    state: State
    body: str
    created_ms: int
    due_ms: int
    tries: int
    refusal: str | None
