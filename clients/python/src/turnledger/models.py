"""Values that the ledger answers. Names are those of the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .types import EmotionalState, Guardrails, Memory, Mode, Status, Usage

GroupBy = Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True)
class Interaction:
    """A recorded turn as the ledger answers it."""

    interaction_id: str
    created_at: str
    mode: Mode
    status: Status
    user_id: str | None
    relationship_id: str | None
    personality_id: str
    inferred_emotional_state: EmotionalState | None
    memory: Memory | None
    guardrails: Guardrails
    usage: Usage
    latency_ms: int
    time_to_first_token_ms: int | None
    error_code: str | None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latencies in milliseconds; None if there are no turns."""

    p50: int | None
    p95: int | None
    p99: int | None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The part of a bucket that one name has."""

    key: str
    total_turns: int
    turns_consumed: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class AggregateBucket:
    """Totals of a period of the last 180 days."""

    period_start: str | None
    period_end: str | None
    complete: bool
    total_turns: int
    turns_consumed: int
    input_tokens: int
    output_tokens: int
    avg_latency_ms: float | None
    latency_ms: Percentiles
    by_status: dict[str, int]
    unique_personalities_count: int
    primary_emotion_distribution: dict[str, int]
    breakdown: tuple[Breakdown, ...] = ()
    breakdown_complete: bool | None = None


@dataclass(frozen=True, slots=True)
class UsageBucket:
    """Totals of a period, as far back as the archive goes."""

    period_start: str
    period_end: str
    complete: bool
    total_turns: int
    turns_consumed: int
    input_tokens: int
    output_tokens: int
    by_status: dict[str, int]
    breakdown: tuple[Breakdown, ...] = ()
    breakdown_complete: bool | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What is left: turns of the billing period, and requests of the token bucket."""

    turns_used: int
    turns_limit: int | None
    turns_remaining: int | None
    period_start: str
    period_end: str
    overage_policy: str
    requests_per_second: float | None
    requests_remaining: int | None


@dataclass(frozen=True, slots=True)
class Organization:
    """The organization of the key."""

    id: str
    name: str
    plan: str


@dataclass(frozen=True, slots=True)
class Me:
    """The key, its organization and plan."""

    organization: Organization
    key_id: str
    scopes: tuple[str, ...]
    environment: str
    plan: str
