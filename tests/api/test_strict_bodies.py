"""Bodies: no repeated name, no NaN, a limit on all ids together, rounded latencies."""

import json
from typing import Any

import pytest

from app.interactions.id_characters import ID_FIELDS
from tests.callers import LIST, TURNS, Caller, error_of
from tests.turns import body, reservation, stateful, whole

BATCH = f"{LIST}/batch"


def send(caller: Caller, path: str, text: str) -> Any:
    return caller("POST", path, data=text, content_type="application/json")


def with_member(turn: dict[str, Any], member: str) -> str:
    return f"{json.dumps(turn).removesuffix('}')}, {member}}}"


@pytest.mark.parametrize(
    ("path", "turn", "name"),
    [
        (LIST, body(), "latency_ms"),
        (TURNS, reservation(), "turn_id"),
        ("/v1/api-keys", {"scope": "read"}, "scope"),
        (BATCH, {"interactions": [body()]}, "interactions"),
        (f"{TURNS}/completions", {"completions": [body()]}, "completions"),
    ],
)
def test_a_repeated_name_is_a_400_that_names_it(
    caller: Caller, path: str, turn: dict[str, Any], name: str
) -> None:
    answer = send(caller, path, with_member(turn, f'"{name}": {json.dumps(turn[name])}'))

    assert answer.status_code == 400
    assert error_of(answer)["message"] == f"`{name}` may be given only once."
    assert error_of(answer)["details"] == [
        {
            "field": name,
            "code": "repeated",
            "message": f"`{name}` may be given only once.",
            "allowed": {"max_items": 1},
        }
    ]
    assert caller.rows_count() == 0


def test_every_repeated_name_is_named_and_long_ones_are_cut(caller: Caller) -> None:
    long = "x" * 10_000
    text = with_member(body(), f'"{long}": 1, "{long}": 2, "mode": "stateful", "mode": 1')

    found = error_of(send(caller, LIST, text))["details"]

    assert {each["code"] for each in found} == {"repeated"}
    assert [each["field"] for each in found] == ["mode", f"{long[:64]}…"]


def test_a_repeated_name_refuses_only_its_element_of_a_batch(caller: Caller) -> None:
    odd = with_member(body(), '"usage": {"input_tokens": 1, "input_tokens": 1}')
    good = json.dumps(body())

    answer = send(caller, BATCH, f'{{"interactions": [{good}, {odd}]}}')

    first, second = answer.get_json()["results"]
    assert (first["status"], second["status"]) == ("created", "rejected")
    assert second["error"]["details"][0]["field"] == "usage.input_tokens"


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e400"])
@pytest.mark.parametrize("path", [LIST, BATCH, TURNS, "/v1/api-keys"])
def test_a_number_that_json_lacks_is_a_400_with_the_reason(
    caller: Caller, path: str, value: str
) -> None:
    (found,) = error_of(send(caller, path, f'{{"latency_ms": {value}}}'))["details"]

    assert (found["field"], found["code"]) == ("body", "invalid_json")
    assert ("too large" if value == "1e400" else "send null") in found["message"]


def test_ids_that_are_too_long_together_are_a_400_that_names_sum_bound_and_fields(
    caller: Caller,
) -> None:
    turn = whole(user_id="u" * 128, relationship_id="r" * 128, error_code="e" * 32)
    turn["usage"] |= {"llm_provider": "p" * 64, "llm_model": "m" * 128}
    turn["memory"] |= {"summary_used": "s" * 112}
    assert len(turn["personality_id"]) == 8
    assert caller.record(turn).status_code == 201
    turn["memory"]["summary_used"] = "s" * 113

    (found,) = error_of(caller.record(turn))["details"]

    assert (found["field"], found["code"]) == ("body", "too_long_together")
    assert "600" in found["message"]
    assert "601" in found["message"]
    assert found["allowed"] == {"max_characters": 600, "fields": list(ID_FIELDS)}
    assert all(f"`{field}`" in found["message"] for field in ID_FIELDS)


@pytest.mark.parametrize("latency_ms", [1840.5, 1840.75, 1841, 1841.0, 1841.25])
def test_the_same_turn_with_the_same_float_is_the_same_turn(
    caller: Caller, latency_ms: float
) -> None:
    turn = stateful(latency_ms=1840.5, time_to_first_token_ms=0.5)
    first = caller.record(turn)
    assert first.status_code == 201
    assert first.get_json()["latency_ms"] == 1841
    assert first.get_json()["time_to_first_token_ms"] == 1

    again = caller.record(turn | {"latency_ms": latency_ms})

    assert (again.status_code, again.get_json()) == (200, first.get_json())


def test_another_whole_millisecond_is_other_content(caller: Caller) -> None:
    turn = body(latency_ms=1840.5)
    assert caller.record(turn).status_code == 201
    assert caller.record(turn | {"latency_ms": 1840.4}).status_code == 409


def test_a_filter_takes_every_id_that_a_turn_may_have(caller: Caller) -> None:
    for user_id in ("zoe@example.com", "u" * 128, "a|b/c+d=e:f"):
        assert caller.record(stateful(user_id=user_id)).status_code == 201
        (item,) = caller.list_all(user_id=user_id)
        assert item["user_id"] == user_id
    assert caller.list_(user_id="two words").status_code == 400
    assert caller.page(user_id="never@stored")["data"] == []
