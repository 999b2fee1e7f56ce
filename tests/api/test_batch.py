"""`POST /v1/interactions/batch`: each element has its own result, in order."""

import json
from typing import Any

import pytest

from app.interactions.batch import MAX_FIELD_ERRORS_PER_BATCH, MAX_FIELD_ERRORS_PER_ELEMENT
from app.tenancy.model import Environment
from bench.faulty import KINDS
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller, Clock, error_of
from tests.turns import at, body, stateful

BATCH = f"{LIST}/batch"
JSON = {"content_type": "application/json"}
MEBIBYTE = 1024 * 1024
CAP = 256 * 1024


def results_of(caller: Caller, turns: list[Any]) -> list[dict[str, Any]]:
    answer = caller.record_batch(turns)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.get_json()["results"]
    return results


def outcomes(results: list[dict[str, Any]]) -> list[str]:
    return [
        result["status"] if "error" not in result else result["error"]["code"] for result in results
    ]


def test_results_are_in_order_and_the_turns_are_readable(caller: Caller) -> None:
    turns = [stateful(latency_ms=number) for number in range(30)]

    results = results_of(caller, turns)

    assert outcomes(results) == ["created"] * 30
    for number, result in enumerate(results):
        assert set(result) == {"status", "interaction_id"}
        item = caller("GET", f"{LIST}/{result['interaction_id']}").get_json()
        assert item["latency_ms"] == number
    assert caller.counters()["turns_used"] == 30
    assert caller.counters()["relationships_used"] == 1


def test_one_request_costs_one_token(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free")

    answer = caller.record_batch([at(clock.now_ms) for _ in range(25)])

    assert answer.headers["X-RateLimit-Remaining"] == "9"
    assert answer.headers["X-Quota-Turns-Used"] == "25"


def test_a_repeated_batch_is_all_duplicates_and_costs_nothing(caller: Caller) -> None:
    turns = [stateful(f"rel_{number % 3}") for number in range(7)]
    first = results_of(caller, turns)
    counted = caller.counters()

    again = results_of(caller, turns)

    assert outcomes(again) == ["duplicate"] * 7
    ids = [[result["interaction_id"] for result in results] for results in (first, again)]
    assert ids[0] == ids[1]
    assert caller.counters() == counted


@pytest.mark.parametrize("wait_s", [0, 301])
def test_each_element_of_a_mixed_batch_is_judged_independently(
    caller: Caller, clock: Clock, wait_s: int
) -> None:
    stored = at(clock.now_ms)
    interaction_id = caller.record(stored).get_json()["interaction_id"]
    clock.move(s=wait_s)

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
    assert outcomes(results) == [
        *("created", invalid, "duplicate", "conflict", invalid, invalid, invalid, invalid),
        "created",
    ]
    assert results[2]["interaction_id"] == interaction_id
    assert [field_error["field"] for field_error in results[6]["error"]["details"]] == ["message"]
    assert set(results[6]["error"]) == {"code", "message", "type", "details"}
    assert caller.counters()["turns_used"] == caller.rows_count() == 3


def test_a_turn_that_a_batch_repeats_is_stored_and_charged_once(caller: Caller) -> None:
    payload, other = body(), body(status="failed")

    results = results_of(caller, [payload, payload, other, payload, other])

    assert outcomes(results) == ["created", "duplicate", "created", "duplicate", "duplicate"]
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
    payload = at(clock.now_ms)
    earlier = at(clock.now_ms - 1)["occurred_at"]
    other = payload | {name: earlier if name == "occurred_at" else change[name] for name in change}

    assert outcomes(results_of(caller, [payload, other])) == ["created", "conflict"]
    assert (caller.counters()["turns_used"], caller.rows_count()) == (1, 1)
    assert caller.record(payload).status_code == 200


def test_a_quota_that_ends_within_a_batch_refuses_only_turns_that_do_not_fit(
    tenant: NewCaller,
) -> None:
    caller = tenant("free", turns=5)
    costs = [1, 3, 2, 0, 1, 1]

    results = results_of(caller, [body(usage={"turns_consumed": cost}) for cost in costs])

    spent = "quota_exhausted"
    assert outcomes(results) == ["created", "created", spent, "created", "created", spent]
    assert results[2]["error"]["details"]["component"] == "turns"
    assert caller.counters()["turns_used"] == 5
    assert caller.rows_count() == 4


def test_relationships_beyond_the_quota_are_refused_one_by_one(tenant: NewCaller) -> None:
    caller = tenant("free", active_relationships=2)
    relationships = ["a", "b", "c", "a", "c", "b"]

    results = results_of(caller, [stateful(name) for name in relationships])

    spent = "quota_exhausted"
    assert outcomes(results) == ["created", "created", spent, "created", spent, "created"]
    assert results[2]["error"]["details"]["component"] == "active_relationships"
    assert caller.counters()["relationships_used"] == 2


def test_stored_turns_are_duplicates_although_the_quota_is_exhausted(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", turns=2)
    payloads = [at(clock.now_ms) for _ in range(2)]
    results_of(caller, payloads)
    clock.move(s=301)

    results = results_of(caller, [*payloads, at(clock.now_ms)])

    assert outcomes(results) == ["duplicate", "duplicate", "quota_exhausted"]
    assert caller.counters()["turns_used"] == 2


@pytest.mark.parametrize("count", [1, 500])
def test_a_batch_holds_1_to_500_elements(caller: Caller, count: int) -> None:
    results = results_of(caller, [body() for _ in range(count)])

    assert outcomes(results) == ["created"] * count
    assert caller.counters()["turns_used"] == caller.rows_count() == count


@pytest.mark.parametrize(
    ("payload", "field"),
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
def test_a_malformed_batch_is_a_400_for_all_elements(
    caller: Caller, payload: Any, field: str
) -> None:
    answer = caller("POST", BATCH, json=payload)

    assert (answer.status_code, error_of(answer)["code"]) == (400, "validation_error")
    assert [field_error["field"] for field_error in error_of(answer)["details"]] == [field]
    assert caller.rows_count() == 0


def padded(payload: Any, bytes_count: int) -> bytes:
    """Return `payload` as JSON, padded with blanks to exactly `bytes_count`."""
    return json.dumps(payload).encode().ljust(bytes_count)


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
def test_the_limit_of_a_body_is_exact_to_the_byte(
    caller: Caller, path: str, bytes_count: int, status: int
) -> None:
    payload: Any = {"interactions": [body()]} if path == BATCH else body()
    payload = {"scope": "read"} if path.endswith("keys") else payload

    answer = caller("POST", path, data=padded(payload, bytes_count), **JSON)

    assert answer.status_code == status
    if status == 413:
        assert error_of(answer)["code"] == "payload_too_large"
        assert error_of(answer)["details"] == {"max_bytes": bytes_count - 1}
        assert caller.rows_count() == 0


def test_a_batch_of_the_test_environment_stays_there(caller: Caller, tenant: NewCaller) -> None:
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
    # The last entry says that there are more.
    assert max(listed) <= MAX_FIELD_ERRORS_PER_ELEMENT + 1
    assert sum(listed) <= MAX_FIELD_ERRORS_PER_BATCH + 2 * 500
    assert len(answer.data) < 500_000
