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
class RateLimit:
    """The organization's token bucket: `remaining` of `burst` tokens are left."""

    requests_per_second: float
    burst: int
    remaining: int
    resets_at: str


@dataclass(frozen=True, slots=True)
class PeekedQuota:
    """The quota of the billing period; limits are None if they are unlimited."""

    turns_used: int
    turns_reserved: int
    turns_limit: int | None
    turns_remaining: int | None
    uncharged_turns_used: int
    uncharged_turns_limit: int
    active_relationships_used: int
    active_relationships_limit: int | None
    period_start: str
    period_end: str
    overage_policy: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What is left of the rate limit and of the quota.

    * `quota` is None while its counters are not loaded: any recording loads them.
    * `projected_exhaustion_at` is when the turns are spent at the current pace; None if they last
      until the billing period ends.
    """

    rate_limit: RateLimit
    quota: PeekedQuota | None
    projected_exhaustion_at: str | None


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
