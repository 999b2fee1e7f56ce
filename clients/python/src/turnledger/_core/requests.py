"""Make requests of the ledger's API; bodies keep the names of the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timezone
from typing import Any

from ..errors import ValidationError
from ..types import Turn
from .identity import Identity
from .values import Request

RECORD = "/v1/interactions"
RECORD_BATCH = "/v1/interactions/batch"
TURNS = "/v1/turns"
COMPLETIONS = "/v1/turns/completions"


def turn_body(turn: Turn, defaults: Identity, *, is_reserved: bool = False) -> dict[str, Any]:
    """Return the body of a recording, or of a completion if the turn `is_reserved`."""
    who = Identity(turn.user_id, turn.relationship_id, turn.personality_id, turn.mode)
    who = who.over(defaults)
    body: dict[str, Any] = {"turn_id": turn.turn_id}
    if not is_reserved:
        body["occurred_at"] = _instant(turn.occurred_at)
    body |= people(who)
    body |= {"status": turn.status, "latency_ms": turn.latency_ms}
    for name in ("usage", "inferred_emotional_state", "memory", "guardrails"):
        part = getattr(turn, name)
        if part is not None:
            body[name] = _plain(part)
    for name in ("time_to_first_token_ms", "error_code"):
        if getattr(turn, name) is not None:
            body[name] = getattr(turn, name)
    return body


def people(who: Identity) -> dict[str, Any]:
    """Return mode and participants; ValidationError without a personality."""
    body = {"mode": who.resolved_mode(), "personality_id": who.require_personality()}
    if who.user_id is not None:
        body["user_id"] = who.user_id
    if who.relationship_id is not None:
        body["relationship_id"] = who.relationship_id
    return body


def dump(body: Mapping[str, Any]) -> str:
    """Return JSON as it is sent; ValidationError for a value that JSON does not have."""
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        raise ValidationError(
            "The turn has a value that JSON does not have, such as NaN: send numbers and strings.",
            code="validation_error",
        ) from None


def record(body: str) -> Request:
    """Record one turn."""
    return Request("POST", RECORD, body.encode())


def record_batch(bodies: Sequence[str]) -> Request:
    """Record several turns."""
    return _batch(RECORD_BATCH, "interactions", bodies)


def reserve(turn_id: str, who: Identity, hold_seconds: int | None) -> Request:
    """Reserve a turn."""
    body = {"turn_id": turn_id, **people(who)}
    if hold_seconds is not None:
        body["hold_seconds"] = hold_seconds
    return Request("POST", TURNS, dump(body).encode())


def complete(interaction_id: str, body: str) -> Request:
    """Complete a reserved turn."""
    return Request("PUT", f"{TURNS}/{interaction_id}", body.encode())


def complete_batch(elements: Sequence[str]) -> Request:
    """Complete several reserved turns, each by its `completion_element`."""
    return _batch(COMPLETIONS, "completions", elements)


def completion_element(interaction_id: str | None, body: str) -> str:
    """Return an element of a batch of completions; the body is not parsed."""
    rest = body.lstrip()[1:]
    comma = "," if rest.strip() != "}" else ""
    return f'{{"interaction_id":{json.dumps(interaction_id)}{comma}{rest}'


def cancel(interaction_id: str) -> Request:
    """Cancel a reserved turn."""
    return Request("DELETE", f"{TURNS}/{interaction_id}")


def read(path: str, params: Mapping[str, Any]) -> Request:
    """Read; parameters of None are left out, and `from_` is sent as `from`."""
    sent = {name.rstrip("_"): _text(value) for name, value in params.items() if value is not None}
    return Request("GET", path, params=sent)


def _batch(path: str, name: str, elements: Sequence[str]) -> Request:
    return Request("POST", path, f'{{"{name}":[{",".join(elements)}]}}'.encode())


def _instant(moment: datetime | str) -> str:
    if isinstance(moment, str):
        return moment
    if moment.tzinfo is None:
        raise ValidationError(
            "occurred_at has no zone: pass an aware datetime, such as datetime.now(timezone.utc).",
            code="validation_error",
        )
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def _text(value: Any) -> str:
    return _instant(value) if isinstance(value, datetime) else str(value)


def _plain(part: Any) -> Any:
    """Return a part of a turn as JSON has it, without what is None or answered only."""
    if not is_dataclass(part):
        return part
    values = {each.name: getattr(part, each.name) for each in fields(part)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None and name != "active_relationship_counted"
    }
