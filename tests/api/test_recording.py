"""`POST /v1/interactions`: each turn is stored once, with the content that was sent."""

from typing import Any

import pytest

from app.http.instants import format_ms
from app.tenancy.model import Environment, Scope
from tests.api.conftest import NewCaller
from tests.callers import Caller, Clock, error_of
from tests.turns import at, body, stateful, whole


def test_a_new_turn_is_201_with_its_item_and_defaults_for_missing_fields(
    caller: Caller,
) -> None:
    answer = caller.record(body())

    item = answer.get_json()
    assert answer.status_code == 201
    assert item["usage"] == {
        "turns_consumed": 1,
        "active_relationship_counted": False,
        "llm_provider": None,
        "llm_model": None,
        "input_tokens": None,
        "output_tokens": None,
    }
    assert item["guardrails"] == {"applied": []}
    absent = ("user_id", "relationship_id", "inferred_emotional_state", "memory", "error_code")
    assert {item[name] for name in absent} == {None}


def test_parts_have_defaults_too(caller: Caller) -> None:
    payload = body(inferred_emotional_state={"primary": "joy"}, memory={"consulted": False})

    item = caller.record(payload).get_json()

    assert item["inferred_emotional_state"] == {
        "primary": "joy",
        "confidence": None,
        "secondary": [],
        "intensity": None,
        "valence": None,
        "arousal": None,
    }
    assert item["memory"] == {
        "consulted": False,
        "summary_used": None,
        "significant_moments_referenced": 0,
        "model_updated": False,
    }


@pytest.mark.parametrize("make", [body, stateful, whole])
def test_a_repeated_turn_is_200_with_the_same_bytes_and_costs_nothing(
    caller: Caller, make: Any
) -> None:
    payload = make()
    first = caller.record(payload)
    counted = caller.counters()

    again = [caller.record(payload) for _ in range(3)]

    assert first.status_code == 201
    assert [(answer.status_code, answer.data) for answer in again] == [(200, first.data)] * 3
    assert caller.counters() == counted
    assert counted["turns_used"] == 1
    assert caller.rows_count() == 1


@pytest.mark.parametrize(
    "same",
    [
        {"usage": {"turns_consumed": 1}},
        {"guardrails": {"applied": []}},
        {"guardrails": {}},
        {"user_id": None, "memory": None},
        {"usage": {"llm_model": None}},
    ],
)
def test_a_default_that_is_sent_explicitly_is_the_same_turn(
    caller: Caller, same: dict[str, Any]
) -> None:
    payload = body()
    caller.record(payload)

    assert caller.record(payload | same).status_code == 200
    assert caller.record(body() | same).status_code == 201


def test_the_same_instant_in_another_zone_is_the_same_turn(caller: Caller, clock: Clock) -> None:
    payload = at(clock.now_ms // 1_000 * 1_000)
    caller.record(payload)

    again = caller.record(payload | {"occurred_at": payload["occurred_at"][:-5] + "+00:00"})

    assert again.status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"latency_ms": 1841},
        {"status": "failed"},
        {"personality_id": "pers_bob"},
        {"mode": "stateless"},
        {"user_id": "u_43"},
        {"relationship_id": "rel_43"},
        {"inferred_emotional_state": None},
        {"inferred_emotional_state": {"primary": "joy", "confidence": 0.820001}},
        {"memory": None},
        {"guardrails": {"applied": []}},
        {"usage": {"turns_consumed": 1}},
        {"usage": {"turns_consumed": 2}},
        {"time_to_first_token_ms": None},
        {"error_code": "other"},
    ],
)
def test_the_same_turn_id_with_other_content_is_409_and_changes_nothing(
    caller: Caller, change: dict[str, Any]
) -> None:
    payload = whole()
    first = caller.record(payload)
    counted = caller.counters()

    answer = caller.record(payload | change)

    assert (answer.status_code, error_of(answer)["code"]) == (409, "conflict")
    assert error_of(answer)["details"] == {"reason": "other_content"}
    assert caller.counters() == counted
    assert caller.page()["data"] == [first.get_json()]
    assert caller.record(payload).status_code == 200


@pytest.mark.parametrize("cost", [0, 1, 5])
def test_another_occurred_at_is_409_also_after_the_charge_has_left_the_replay_cache(
    caller: Caller, clock: Clock, cost: int
) -> None:
    payload = at(clock.now_ms, usage={"turns_consumed": cost})
    caller.record(payload)
    moved = payload | {"occurred_at": format_ms(clock.now_ms - 1)}

    answers = [caller.record(moved)]
    clock.move(s=3_600)
    answers.append(caller.record(moved))

    assert [answer.status_code for answer in answers] == [409, 409]
    assert caller.counters()["turns_used"] == cost
    assert caller.rows_count() == 1


def test_occurred_at_is_cut_to_its_millisecond(caller: Caller, clock: Clock) -> None:
    cut = format_ms(clock.now_ms)
    turn = at(clock.now_ms) | {"occurred_at": cut.replace("Z", "500Z")}

    first, again = caller.record(turn), caller.record(turn | {"occurred_at": cut})

    assert (first.status_code, first.get_json()["created_at"]) == (201, cut)
    assert (again.status_code, again.get_json()) == (200, first.get_json())


def test_a_turn_that_an_earlier_release_rounded_up_is_still_the_same(
    caller: Caller, clock: Clock
) -> None:
    stored = at(clock.now_ms)
    first = caller.record(stored)
    turn = stored | {"occurred_at": format_ms(clock.now_ms - 1).replace("Z", "500Z")}

    again = caller.record(turn)

    assert (again.status_code, again.get_json()) == (200, first.get_json())
    assert caller.rows_count() == 1


def test_a_duplicate_after_the_charge_has_left_the_replay_cache_is_refunded(
    caller: Caller, clock: Clock
) -> None:
    turns = at(clock.now_ms, **{name: whole()[name] for name in ("usage",)})
    first = caller.record(stateful() | turns)
    counted = caller.counters()
    clock.move(s=301)

    again = caller.record(stateful() | turns)

    assert (again.status_code, again.data) == (200, first.data)
    now = caller.counters()
    for name in ("turns_used", "relationships_used", "turns_reserved", "remembered"):
        assert now[name] == (counted[name] if name != "remembered" else 0)


def test_a_conflict_after_the_charge_has_left_the_replay_cache_is_refunded(
    caller: Caller, clock: Clock
) -> None:
    payload = stateful("rel_1", occurred_at=format_ms(clock.now_ms))
    caller.record(payload)
    clock.move(s=301)

    answer = caller.record(payload | {"relationship_id": "rel_2", "usage": {"turns_consumed": 9}})

    assert answer.status_code == 409
    counted = caller.counters()
    assert (counted["turns_used"], counted["relationships_used"]) == (1, 1)


@pytest.mark.parametrize(
    ("status", "cost"),
    [("completed", 1), ("guardrail_blocked", 1), ("failed", 0), ("timed_out", 0)],
)
@pytest.mark.parametrize("sent_cost", [None, 0, 1, 7, 1_000])
def test_a_status_has_its_price_unless_the_producer_sends_another(
    caller: Caller, status: str, cost: int, sent_cost: int | None
) -> None:
    usage = {} if sent_cost is None else {"turns_consumed": sent_cost}
    expected = cost if sent_cost is None else sent_cost

    answer = caller.record(body(status=status, usage=usage))

    assert answer.status_code == 201
    assert answer.get_json()["usage"]["turns_consumed"] == expected
    assert answer.headers["X-Quota-Turns-Used"] == str(expected)


@pytest.mark.parametrize(
    ("payload", "is_counted"),
    [
        (stateful("rel_new"), True),
        (stateful("rel_known"), False),
        (stateful("rel_new", status="failed"), False),
        (stateful("rel_new", status="failed", usage={"turns_consumed": 1}), True),
        (stateful("rel_new", usage={"turns_consumed": 0}), False),
        (body(user_id="u_1", relationship_id="rel_new"), False),
    ],
)
def test_a_relationship_counts_with_its_first_stateful_turn_that_costs(
    caller: Caller, payload: dict[str, Any], is_counted: bool
) -> None:
    caller.record(stateful("rel_known"))

    answer = caller.record(payload)

    assert answer.status_code == 201
    assert answer.get_json()["usage"]["active_relationship_counted"] is is_counted
    assert answer.headers["X-Quota-Active-Relationships-Used"] == str(1 + is_counted)


def test_live_and_test_have_their_own_turns_and_counters(caller: Caller, tenant: NewCaller) -> None:
    sandbox = tenant(of=caller.organization, environment=Environment.TEST)
    payload = stateful()
    caller.record(payload)

    answer = sandbox.record(payload)

    assert answer.status_code == 201
    assert answer.get_json()["usage"]["active_relationship_counted"] is True
    assert len(caller.page()["data"]) == len(sandbox.page()["data"]) == 1
    sandbox.record(body())
    assert (caller.counters()["turns_used"], sandbox.counters()["turns_used"]) == (1, 2)


@pytest.mark.parametrize("path", ["", "/batch"])
def test_a_key_with_scope_read_may_not_record(caller: Caller, tenant: NewCaller, path: str) -> None:
    reader = tenant(of=caller.organization, scope=Scope.READ)

    answer = reader("POST", f"/v1/interactions{path}", json=body())

    assert answer.status_code == 403
    assert error_of(answer)["details"] == {"required_scope": "read_write"}
    assert caller.rows_count() == 0


def test_recording_takes_no_parameters(caller: Caller) -> None:
    answer = caller("POST", "/v1/interactions?dry_run=1", json=body())

    assert answer.status_code == 400
    assert caller.rows_count() == 0
