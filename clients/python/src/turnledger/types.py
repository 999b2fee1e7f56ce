"""Values that are recorded, and what became of them. Names are those of the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

from ._core.ids import new_turn_id

Mode = Literal["stateful", "stateless"]
Status = Literal["completed", "guardrail_blocked", "failed", "timed_out"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a turn consumed; None where it is unknown. `turns_consumed` None: by its status."""

    llm_provider: str | None = None
    llm_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    turns_consumed: int | None = None
    active_relationship_counted: bool | None = None


@dataclass(frozen=True, slots=True)
class EmotionalState:
    """The user's mood as labels and numbers: `confidence` 0 to 1, `valence`, `arousal` -1 to 1."""

    primary: str
    confidence: float | None = None
    secondary: tuple[str, ...] = ()
    intensity: str | None = None
    valence: float | None = None
    arousal: float | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """The turn's use of the relationship's memory."""

    consulted: bool
    summary_used: str | None = None
    significant_moments_referenced: int = 0
    model_updated: bool = False


@dataclass(frozen=True, slots=True)
class Guardrails:
    """Names of the guardrails that changed the answer."""

    applied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """A finished turn to record.

    `mode` None: `stateful` if user and relationship are known, else `stateless`. `personality_id`
    None: that of the ledger. Latencies are in milliseconds.
    """

    status: Status
    latency_ms: float
    turn_id: str = field(default_factory=new_turn_id)
    occurred_at: datetime | str = field(default_factory=lambda: datetime.now(timezone.utc))
    mode: Mode | None = None
    user_id: str | None = None
    relationship_id: str | None = None
    personality_id: str | None = None
    usage: Usage | None = None
    inferred_emotional_state: EmotionalState | None = None
    memory: Memory | None = None
    guardrails: Guardrails | None = None
    time_to_first_token_ms: float | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """The quota of a billing period; a limit of None has no ceiling."""

    turns_used: int
    turns_limit: int | None
    turns_remaining: int | None
    period_start: str
    period_end: str
    overage_policy: str
    turns_reserved: int = 0
    uncharged_turns_used: int | None = None
    uncharged_turns_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A turn that is held until `expires_at`; `quota` is None if nothing is held."""

    turn_id: str
    interaction_id: str
    expires_at: str
    quota: Quota | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The state of a turn that was recorded.

    | `state` | meaning |
    | --- | --- |
    | `created` | stored by this call |
    | `duplicate` | stored before, with the same content |
    | `queued` | in the outbox; `interaction_id` is None |
    | `disabled` | `TURNLEDGER_DISABLED` is set: nothing was kept or sent |
    """

    state: Literal["created", "duplicate", "queued", "disabled"]
    turn_id: str
    interaction_id: str | None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The outcome of one turn of `record_many`; `error` only with `refused`."""

    turn_id: str
    state: Literal["created", "duplicate", "queued", "refused", "disabled"]
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A turn that the ledger refused for good: it is kept in the outbox with the `reason`."""

    turn_id: str
    reason: str
    body: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Number of turns in the outbox: open, waiting to be sent, refused for good."""

    open: int
    waiting: int
    refused: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of this process since its start.

    * `delivered`, `refused`: turns of the outbox that the ledger has stored or refused.
    * `lost`: turns that neither the ledger nor the outbox could keep.
    * `calls_without_usage`: model calls whose answer had no token counts.
    * `wrapper_errors`: faults of this package inside of model calls.
    * `outlived_holds`: turns that ended after their reservation.
    * `clock_skew_s`: seconds by which the ledger's clock is ahead of this machine's; 0 below 2 s.
    * `obstacle`: why nothing is sent, as a sentence; None if the last request was answered.
    """

    delivered: int
    refused: int
    calls_without_usage: int
    wrapper_errors: int
    outlived_holds: int
    lost: int
    clock_skew_s: float
    obstacle: str | None
