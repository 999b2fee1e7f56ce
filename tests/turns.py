"""Bodies and rows of turns for tests."""

import itertools
import time
from typing import Any

from ulid import ULID

from app.http import validation
from app.http.instants import format_ms
from app.interactions.ids import TurnKeys
from app.interactions.recording import turn_of
from app.interactions.schemas import TurnSchema
from tests.servers import ID_KEY

Body = dict[str, Any]

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
_numbers = itertools.count(1)


def now_ms() -> int:
    """Return milliseconds since 1970 by this machine's clock, which the servers share."""
    return time.time_ns() // 1_000_000


def body(**changes: Any) -> Body:
    """Return a minimal recording with a new turn id, of this instant, then apply `changes`."""
    least = {
        "turn_id": f"turn-{next(_numbers)}",
        "occurred_at": format_ms(now_ms()),
        "mode": "stateless",
        "status": "completed",
        "personality_id": "pers_ada",
        "latency_ms": 1840,
    }
    return least | changes


def stateful(relationship_id: str = "rel_42", user_id: str = "u_42", **changes: Any) -> Body:
    """Return a minimal recording of a stateful turn."""
    people = {"mode": "stateful", "user_id": user_id, "relationship_id": relationship_id}
    return body(**people | changes)


def reservation(
    turn_id: str | None = None, *, relationship_id: str | None = None, **more: Any
) -> Body:
    """Return the body of a minimal reservation, by default with a new turn id."""
    people = {"user_id": "u_42", "relationship_id": relationship_id} if relationship_id else {}
    return {
        "turn_id": turn_id or f"turn-{next(_numbers)}",
        "mode": "stateful" if relationship_id else "stateless",
        "personality_id": "pers_ada",
        **people,
        **more,
    }


def whole(**changes: Any) -> Body:
    """Return a recording in which every field is set."""
    return (
        stateful(
            inferred_emotional_state={
                "primary": "joy",
                "confidence": 0.82,
                "secondary": ["trust"],
                "intensity": "medium",
                "valence": 0.4,
                "arousal": 0.3,
            },
            memory={
                "consulted": True,
                "summary_used": "sum_3",
                "significant_moments_referenced": 2,
                "model_updated": False,
            },
            guardrails={"applied": ["tone_softened"]},
            usage={
                "turns_consumed": 1,
                "llm_provider": "openai",
                "llm_model": "gpt-4o",
                "input_tokens": 374,
                "output_tokens": 44,
            },
            time_to_first_token_ms=310,
            error_code="late_answer",
        )
        | changes
    )


def at(instant_ms: int, **changes: Any) -> Body:
    """Return a recording that occurred at `instant_ms`."""
    return body(occurred_at=format_ms(instant_ms), **changes)


def row(account: str, payload: Body, recorded_at_us: int = 10**15) -> dict[str, Any]:
    """Return the ledger's row of a turn of any age that counts in no quota, as an import."""
    content = validation.load(TurnSchema(), payload)
    return turn_of(TurnKeys(ID_KEY), account, content).document(
        account,
        "2026-11-23",
        recorded_at_us=recorded_at_us,
        relationship_counted=False,
        charged=0,
        uncharged=0,
        key_id=None,
    )


def new_account() -> str:
    """Return an account that no other test uses."""
    return f"org_{ULID()}:live"
