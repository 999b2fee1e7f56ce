"""`POST /v1/interactions/batch`: each element has its own fate, in order."""

import json
from typing import Any

import pytest

from app.interactions.batch import MAX_FIELD_ERRORS_PER_BATCH, MAX_FIELD_ERRORS_PER_ELEMENT
from app.tenancy.model import Environment
from bench.faulty import KINDS
from tests.api.conftest import Hire
from tests.callers import LIST, Caller, Clock, error_of
from tests.turns import at, body, stateful

BATCH = f"{LIST}/batch"
JSON = {"content_type": "application/json"}
MEBIBYTE = 1024 * 1024
CAP = 256 * 1024


def results_of(caller: Caller, told: list[Any]) -> list[dict[str, Any]]:
    answer = caller.record_batch(told)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.get_json()["results"]
    return results


def fates(results: list[dict[str, Any]]) -> list[str]:
    return [
        result["status"] if "error" not in result else result["error"]["code"] for result in results
    ]


def test_results_are_in_order_and_the_turns_are_readable(caller: Caller) -> None:
    told = [stateful(latency_ms=number) for number in range(30)]

    results = results_of(caller, told)

    assert fates(results) == ["created"] * 30
    for number, result in enumerate(results):
        assert set(result) == {"status", "interaction_id"}
        item = caller("GET", f"{LIST}/{result['interaction_id']}").get_json()
        assert item["latency_ms"] == number
    assert caller.counters()["turns_used"] == 30
    assert caller.counters()["relationships_used"] == 1


def test_one_request_costs_one_token(tenant: Hire, clock: Clock) -> None:
    caller = tenant("free")

    answer = caller.record_batch([at(clock.now_ms) for _ in range(25)])

    assert answer.headers["X-RateLimit-Remaining"] == "9"
    assert answer.headers["X-Quota-Turns-Used"] == "25"


def test_the_same_batch_again_is_all_duplicates_and_costs_nothing(caller: Caller) -> None:
    told = [stateful(f"rel_{number % 3}") for number in range(7)]
    first = results_of(caller, told)
    counted = caller.counters()

    again = results_of(caller, told)

    assert fates(again) == ["duplicate"] * 7
    ids = [[result["interaction_id"] for result in results] for results in (first, again)]
    assert ids[0] == ids[1]
    assert caller.counters() == counted


@pytest.mark.parametrize("forgotten_after_s", [0, 301])
def test_a_mixed_batch_judges_each_element_by_itself(
    caller: Caller, clock: Clock, forgotten_after_s: int
) -> None:
    stored = at(clock.now_ms)
    interaction_id = caller.record(stored).get_json()["interaction_id"]
    clock.move(s=forgotten_after_s)

    results = results_of(
        caller,
        [
            at(clock.now_ms),
            {"turn_id": "no-more-than-that"},
            stored,
            stored | {"latency_ms": 2},
            "a text",
            None,
            at(clock.now_ms, message="hello"),
            at(clock.now_ms - 49 * 3_600_000),
            at(clock.now_ms),
        ],
    )

    invalid = "validation_error"
    assert fates(results) == [
        *("created", invalid, "duplicate", "conflict", invalid, invalid, invalid, invalid),
        "created",
    ]
    assert results[2]["interaction_id"] == interaction_id
    assert [field_error["field"] for field_error in results[6]["error"]["details"]] == ["message"]
    assert set(results[6]["error"]) == {"code", "message", "type", "details"}
    assert caller.counters()["turns_used"] == caller.rows_count() == 3


def test_a_turn_twice_in_one_batch_is_one_turn_and_one_charge(caller: Caller) -> None:
    told, other = body(), body(status="failed")

    results = results_of(caller, [told, told, other, told, other])

    assert fates(results) == ["created", "duplicate", "created", "duplicate", "duplicate"]
    assert len({result["interaction_id"] for result in results}) == 2
    assert (caller.counters()["turns_used"], caller.rows_count()) == (1, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"latency_ms": 2},
        {"status": "failed"},
        {"usage": {"turns_consumed": 3}},
        {"occurred_at": "{earlier}"},
    ],
)
def test_a_turn_id_with_two_contents_in_one_batch_stores_one_and_rejects_the_other(
    caller: Caller, clock: Clock, change: dict[str, Any]
) -> None:
    told = at(clock.now_ms)
    earlier = at(clock.now_ms - 1)["occurred_at"]
    other = told | {name: earlier if name == "occurred_at" else change[name] for name in change}

    assert fates(results_of(caller, [told, other])) == ["created", "conflict"]
    assert (caller.counters()["turns_used"], caller.rows_count()) == (1, 1)
    assert caller.record(told).status_code == 200


def test_a_quota_that_ends_in_the_middle_refuses_only_what_no_longer_fits(tenant: Hire) -> None:
    caller = tenant("free", turns=5)
    costs = [1, 3, 2, 0, 1, 1]

    results = results_of(caller, [body(usage={"turns_consumed": cost}) for cost in costs])

    spent = "quota_exhausted"
    assert fates(results) == ["created", "created", spent, "created", "created", spent]
    assert results[2]["error"]["details"]["component"] == "turns"
    assert caller.counters()["turns_used"] == 5
    assert caller.rows_count() == 4


def test_relationships_that_no_longer_fit_are_refused_one_by_one(tenant: Hire) -> None:
    caller = tenant("free", active_relationships=2)
    relationships = ["a", "b", "c", "a", "c", "b"]

    results = results_of(caller, [stateful(name) for name in relationships])

    spent = "quota_exhausted"
    assert fates(results) == ["created", "created", spent, "created", spent, "created"]
    assert results[2]["error"]["details"]["component"] == "active_relationships"
    assert caller.counters()["relationships_used"] == 2


def test_stored_turns_are_duplicates_although_the_quota_is_spent(
    tenant: Hire, clock: Clock
) -> None:
    caller = tenant("free", turns=2)
    told = [at(clock.now_ms) for _ in range(2)]
    results_of(caller, told)
    clock.move(s=301)

    results = results_of(caller, [*told, at(clock.now_ms)])

    assert fates(results) == ["duplicate", "duplicate", "quota_exhausted"]
    assert caller.counters()["turns_used"] == 2


@pytest.mark.parametrize("count", [1, 500])
def test_a_batch_holds_1_to_500_elements(caller: Caller, count: int) -> None:
    results = results_of(caller, [body() for _ in range(count)])

    assert fates(results) == ["created"] * count
    assert caller.counters()["turns_used"] == caller.rows_count() == count


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"interactions": []}, "interactions"),
        ({"interactions": [{}] * 501}, "interactions"),
        ({"interactions": {}}, "interactions"),
        ({"interactions": "abc"}, "interactions"),
        ({"interactions": None}, "interactions"),
        ({}, "interactions"),
        ({"interactions": [{}], "text": "x"}, "text"),
        ([], "body"),
    ],
)
def test_a_malformed_batch_is_a_400_as_a_whole(caller: Caller, told: Any, field: str) -> None:
    answer = caller("POST", BATCH, json=told)

    assert (answer.status_code, error_of(answer)["code"]) == (400, "validation_error")
    assert [field_error["field"] for field_error in error_of(answer)["details"]] == [field]
    assert caller.rows_count() == 0


def padded(told: Any, bytes_count: int) -> bytes:
    """`told` as JSON of exactly that length, blanks at its end."""
    return json.dumps(told).encode().ljust(bytes_count)


@pytest.mark.parametrize(
    ("path", "bytes_count", "status"),
    [
        (BATCH, MEBIBYTE, 200),
        (BATCH, MEBIBYTE + 1, 413),
        (LIST, CAP, 201),
        (LIST, CAP + 1, 413),
        ("/v1/api-keys", CAP, 201),
        ("/v1/api-keys", CAP + 1, 413),
    ],
)
def test_a_body_has_its_cap_to_the_byte(
    caller: Caller, path: str, bytes_count: int, status: int
) -> None:
    told: Any = {"interactions": [body()]} if path == BATCH else body()
    told = {"scope": "read"} if path.endswith("keys") else told

    answer = caller("POST", path, data=padded(told, bytes_count), **JSON)

    assert answer.status_code == status
    if status == 413:
        assert error_of(answer)["code"] == "payload_too_large"
        assert error_of(answer)["details"] == {"max_bytes": bytes_count - 1}
        assert caller.rows_count() == 0


def test_a_batch_of_the_test_environment_stays_there(caller: Caller, tenant: Hire) -> None:
    sandbox = tenant(of=caller.organization, environment=Environment.TEST)

    results_of(sandbox, [body(), body()])

    assert (sandbox.rows_count(), caller.rows_count()) == (2, 0)
    assert caller.counters() == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_mistakes_lists_a_bounded_number_of_them(caller: Caller, kind: str) -> None:
    answer = caller.record_batch([KINDS[kind]() for _ in range(500)])

    results = answer.get_json()["results"]
    assert (answer.status_code, len(results)) == (200, 500)
    assert {result["status"] for result in results} == {"rejected"}
    listed = [len(result["error"]["details"]) for result in results]
    # One more says that there are more.
    assert max(listed) <= MAX_FIELD_ERRORS_PER_ELEMENT + 1
    assert sum(listed) <= MAX_FIELD_ERRORS_PER_BATCH + 2 * 500
    assert len(answer.data) < 500_000
