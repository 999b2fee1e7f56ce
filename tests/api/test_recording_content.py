"""The content of a recording: no text, bounded numbers, a recent instant."""

from typing import Any

import pytest

from tests.callers import Caller, Clock, error_of
from tests.turns import at, body, stateful

HOURS_48_MS = 48 * 3_600_000
MINUTES_5_MS = 5 * 60_000


@pytest.mark.parametrize(
    "missing", [{"user_id": None}, {"relationship_id": None}, {"user_id": None} | {"memory": None}]
)
def test_a_stateful_turn_needs_a_user_and_a_relationship(
    caller: Caller, missing: dict[str, Any]
) -> None:
    answers = [caller.record(stateful() | missing)]
    payload = stateful()
    for name in missing:
        payload.pop(name, None)
    answers.append(caller.record(payload))

    for answer in answers:
        assert answer.status_code == 400
        named = {field_error["field"] for field_error in error_of(answer)["details"]}
        assert named == missing.keys() - {"memory"}


@pytest.mark.parametrize("people", [{"user_id": "u_1"}, {"relationship_id": "r_1"}, {}])
def test_a_stateless_turn_may_name_a_user_or_a_relationship(
    caller: Caller, people: dict[str, str]
) -> None:
    assert caller.record(body(**people)).status_code == 201


@pytest.mark.parametrize(
    ("offset_ms", "status"),
    [
        (-HOURS_48_MS, 201),
        (-HOURS_48_MS - 1, 400),
        (0, 201),
        (MINUTES_5_MS, 201),
        (MINUTES_5_MS + 1, 400),
    ],
)
def test_a_turn_occurred_within_48_hours_and_at_most_5_minutes_ahead(
    caller: Caller, clock: Clock, offset_ms: int, status: int
) -> None:
    answer = caller.record(at(clock.now_ms + offset_ms))

    assert answer.status_code == status
    if status == 400:
        (field_error,) = error_of(answer)["details"]
        assert (field_error["field"], field_error["code"]) == ("occurred_at", "out_of_range")
        assert field_error["allowed"] == {"oldest_hours": 48, "ahead_minutes": 5}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"message": "hello"}, "message"),
        ({"usage": {"prompt": "hello"}}, "usage.prompt"),
        ({"memory": {"consulted": True, "text": "x"}}, "memory.text"),
        ({"guardrails": {"applied": ["two words"]}}, "guardrails.applied.0"),
        ({"inferred_emotional_state": {"primary": "joy", "note": "x"}}, None),
        ({"usage": {"active_relationship_counted": True}}, "usage.active_relationship_counted"),
        ({"interaction_id": "int_x"}, "interaction_id"),
        ({"created_at": "2026-11-23T00:00:00Z"}, "created_at"),
        ({"turn_id": "two words"}, "turn_id"),
        ({"turn_id": ""}, "turn_id"),
        ({"turn_id": "a" * 129}, "turn_id"),
        ({"turn_id": "a\n"}, "turn_id"),
        ({"turn_id": 7}, "turn_id"),
        ({"turn_id": None}, "turn_id"),
        ({"occurred_at": "2026-11-23"}, "occurred_at"),
        ({"occurred_at": 1_763_892_000}, "occurred_at"),
        ({"mode": "Stateless"}, "mode"),
        ({"status": "ok"}, "status"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"latency_ms": -0.5}, "latency_ms"),
        ({"usage": {"input_tokens": 1.0}}, "usage.input_tokens"),
        ({"latency_ms": True}, "latency_ms"),
        ({"latency_ms": "5"}, "latency_ms"),
        ({"latency_ms": 86_400_001}, "latency_ms"),
        ({"latency_ms": None}, "latency_ms"),
        ({"usage": {"turns_consumed": 1_001}}, "usage.turns_consumed"),
        ({"usage": {"turns_consumed": -1}}, "usage.turns_consumed"),
        ({"usage": {"turns_consumed": None}}, "usage.turns_consumed"),
        ({"usage": None}, "usage"),
        ({"usage": []}, "usage"),
        ({"memory": {}}, "memory.consulted"),
        ({"memory": {"consulted": "yes"}}, "memory.consulted"),
        ({"inferred_emotional_state": {"primary": "Joy"}}, "inferred_emotional_state.primary"),
        ({"guardrails": {"applied": ["a"] * 11}}, "guardrails.applied"),
        ({"error_code": "E"}, "error_code"),
    ],
)
def test_a_bad_field_is_a_400_that_names_it_and_stores_nothing(
    caller: Caller, change: dict[str, Any], field: str | None
) -> None:
    answer = caller.record(body(**change))

    assert (answer.status_code, error_of(answer)["code"]) == (400, "validation_error")
    (field_error,) = error_of(answer)["details"]
    assert field_error["field"] == (field or "inferred_emotional_state.note")
    assert caller.rows_count() == 0
    assert caller.counters() == {}


def test_all_field_errors_of_a_body_are_reported_at_once(caller: Caller) -> None:
    answer = caller.record({"mode": "stateful", "latency_ms": -1, "text": "x", "usage": {"y": 1}})

    named = {field_error["field"] for field_error in error_of(answer)["details"]}
    assert named == {
        *("turn_id", "occurred_at", "status", "personality_id", "latency_ms", "text"),
        *("usage.y", "user_id", "relationship_id"),
    }
