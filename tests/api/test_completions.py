"""`POST /v1/turns/completions`: each completion has its own result, in order."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.tenancy.periods import period_at
from tests.api.conftest import NewCaller
from tests.api.test_batch import outcomes
from tests.api.test_reservations_settle import HOUR_S, counts, held, stateful_trace, trace
from tests.callers import LIST, TURNS, Caller, Clock, at_once, error_of
from tests.turns import at

COMPLETIONS = f"{TURNS}/completions"


def complete(caller: Caller, completions: list[Any]) -> TestResponse:
    return caller("POST", COMPLETIONS, json={"completions": completions})


def results_of(caller: Caller, completions: list[Any]) -> list[dict[str, Any]]:
    answer = complete(caller, completions)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.get_json()["results"]
    return results


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def completion(path: str, turn_id: str, **changes: Any) -> dict[str, Any]:
    return trace(turn_id, **changes) | {"interaction_id": id_of(path)}


def reserved(caller: Caller, count: int) -> list[dict[str, Any]]:
    """Reserve so many turns; return their completions."""
    names = [f"turn_{number}" for number in range(count)]
    return [
        completion(held(caller, name), name, latency_ms=number) for number, name in enumerate(names)
    ]


def test_results_are_in_order_and_the_turns_are_readable(caller: Caller) -> None:
    completions = reserved(caller, 7)

    results = results_of(caller, completions)

    assert outcomes(results) == ["created"] * 7
    for number, (result, sent) in enumerate(zip(results, completions, strict=True)):
        assert result == {"status": "created", "interaction_id": sent["interaction_id"]}
        item = caller("GET", f"{LIST}/{result['interaction_id']}").get_json()
        assert item["latency_ms"] == number
    assert counts(caller) == (7, 0, 0, 0)


@pytest.mark.parametrize("wait_s", [0, 301])
def test_a_repeated_batch_is_all_duplicates_and_costs_nothing(
    caller: Caller, clock: Clock, wait_s: int
) -> None:
    completions = reserved(caller, 3)
    first = results_of(caller, completions)
    clock.move(s=wait_s)

    again = results_of(caller, completions)

    assert outcomes(again) == ["duplicate"] * 3
    assert [each["interaction_id"] for each in again] == [each["interaction_id"] for each in first]
    assert (counts(caller), caller.rows_count()) == ((3, 0, 0, 0), 3)


def test_each_element_is_judged_independently(caller: Caller, clock: Clock) -> None:
    old = completion(held(caller, "turn_old"), "turn_old")
    clock.move(s=50 * HOUR_S)
    done, other, cancelled, good = (
        completion(held(caller, name), name) for name in ("done", "other", "cancelled", "good")
    )
    caller("PUT", f"{TURNS}/{done['interaction_id']}", json=trace("done"))
    caller("PUT", f"{TURNS}/{other['interaction_id']}", json=trace("other"))
    caller("DELETE", f"{TURNS}/{cancelled['interaction_id']}")

    results = results_of(
        caller,
        [
            done,
            other | {"latency_ms": 1},
            cancelled,
            good | {"turn_id": "another"},
            good | {"message": "hello"},
            good | {"interaction_id": "int_1"},
            trace("good"),
            old,
            "a text",
            None,
            good,
        ],
    )

    invalid = "validation_error"
    assert outcomes(results) == [
        *("duplicate", "conflict", "conflict", *(invalid,) * 7, "created"),
    ]
    reasons = [result["error"]["details"]["reason"] for result in results[1:3]]
    assert reasons == ["other_content", "cancelled"]
    fields = [result["error"]["details"][0]["field"] for result in results[3:8]]
    assert fields == ["turn_id", "message", *["interaction_id"] * 3]
    assert caller.rows_count() == 3


def test_a_turn_that_a_batch_repeats_is_stored_and_charged_once(caller: Caller) -> None:
    (sent,) = reserved(caller, 1)

    results = results_of(caller, [sent, sent, sent | {"latency_ms": 9}])

    assert outcomes(results) == ["created", "duplicate", "conflict"]
    assert (counts(caller), caller.rows_count()) == ((1, 0, 0, 0), 1)


def test_no_quota_refuses_a_completion(tenant: NewCaller) -> None:
    caller = tenant("free", turns=2, active_relationships=1)
    first = completion(held(caller, "turn_a", relationship_id="rel_a"), "turn_a")
    second = completion(held(caller, "turn_b"), "turn_b")

    answer = complete(
        caller,
        [
            first | stateful_trace("rel_b", turn_id="turn_a", usage={"turns_consumed": 5}),
            second | {"status": "failed"},
        ],
    )

    assert outcomes(answer.get_json()["results"]) == ["created", "created"]
    assert counts(caller) == (5, 0, 0, 1)
    assert answer.headers["X-Quota-Turns-Used"] == "5"


@pytest.mark.parametrize(("count", "tokens"), [(1, 1), (50, 1), (51, 2)])
def test_fifty_elements_cost_a_token(tenant: NewCaller, count: int, tokens: int) -> None:
    caller = tenant("free", requests_per_second=1, burst=9)
    answer = complete(caller, [None] * count)
    assert answer.headers["X-RateLimit-Remaining"] == str(9 - tokens)


def test_an_empty_bucket_refuses_the_batch_as_a_whole(tenant: NewCaller) -> None:
    caller = tenant("free", requests_per_second=1, burst=2)
    completions = reserved(caller, 2)

    answer = complete(caller, completions)

    assert (answer.status_code, error_of(answer)["code"]) == (429, "rate_limit_exceeded")
    assert (counts(caller), caller.rows_count()) == ((0, 2, 2, 0), 0)


def test_turns_of_two_periods_are_charged_to_the_period_of_their_reservation(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free")
    previous = period_at(caller.organization.signed_up_on, clock.now_us)
    clock.move(us=previous.end_us - clock.now_us - 1)
    before = [completion(held(caller, name, hold_seconds=3_600), name) for name in ("a", "b")]
    clock.move(s=60)
    after = [completion(held(caller, name), name) for name in ("c", "d")]

    results = results_of(caller, [after[0], before[0], after[1], before[1]])

    assert outcomes(results) == ["created"] * 4
    assert counts(caller) == (2, 0, 0, 0)
    clock.move(us=previous.end_us - 1 - clock.now_us)
    assert counts(caller) == (2, 0, 0, 0)


def test_a_batch_leaves_what_single_completions_leave(tenant: NewCaller, clock: Clock) -> None:
    one_by_one, at_once_ = tenant(), tenant()
    kinds: list[dict[str, Any]] = [
        {},
        {"status": "failed"},
        {"usage": {"turns_consumed": 3}},
        {"mode": "stateful", "user_id": "u_1", "relationship_id": "rel_1"},
        {"mode": "stateful", "user_id": "u_1", "relationship_id": "rel_2"},
    ]
    names = [f"turn_{number}" for number in range(len(kinds))]
    for caller in (one_by_one, at_once_):
        paths = [held(caller, name, relationship_id="rel_1") for name in names]
        sent = [completion(*each, **kind) for *each, kind in zip(paths, names, kinds, strict=True)]
        if caller is one_by_one:
            for path, body in zip(paths, sent, strict=True):
                del body["interaction_id"]
                assert caller("PUT", path, json=body).status_code == 201
        else:
            assert outcomes(results_of(caller, sent)) == ["created"] * len(kinds)

    assert counts(one_by_one) == counts(at_once_)
    without_ids = [
        [{**item, "interaction_id": None} for item in caller.list_all()]
        for caller in (one_by_one, at_once_)
    ]
    assert sorted(without_ids[0], key=repr) == sorted(without_ids[1], key=repr)


def test_turns_without_a_reservation_in_redis_are_recorded_too(
    caller: Caller, clock: Clock
) -> None:
    (sent,) = reserved(caller, 1)
    clock.move(s=HOUR_S)  # the hold has expired
    assert outcomes(results_of(caller, [sent])) == ["created"]
    assert counts(caller) == (1, 0, 0, 0)


def test_the_body_names_its_own_faults(caller: Caller) -> None:
    for body, field in (
        ({}, "completions"),
        ({"completions": []}, "completions"),
        ({"completions": [None] * 501}, "completions"),
        ({"completions": [None], "interactions": []}, "interactions"),
    ):
        answer = caller("POST", COMPLETIONS, json=body)
        assert answer.status_code == 400
        assert [each["field"] for each in error_of(answer)["details"]] == [field]
    assert caller("PUT", COMPLETIONS, json={}).status_code == 405
    assert caller("DELETE", COMPLETIONS).headers["Allow"] == "OPTIONS, POST"


def test_batches_of_the_same_turns_at_once_store_each_turn_once(
    caller: Caller, clock: Clock
) -> None:
    completions = reserved(caller, 20)
    recorded = at(clock.now_ms, turn_id="turn_3")

    answers = at_once(
        [
            *[lambda: complete(caller, completions)] * 4,
            lambda: complete(caller, completions[::-1]),
            lambda: caller.record(recorded),
            lambda: caller("DELETE", f"{TURNS}/{completions[5]['interaction_id']}"),
        ]
    )

    created = [
        result["interaction_id"]
        for answer in answers[:5]
        for result in answer.get_json()["results"]
        if result["status"] == "created"
    ]
    assert len(created) == len(set(created))
    rows = caller.rows_count()
    assert rows in {19, 20}  # the cancel may have come first
    assert counts(caller) == (rows, 0, 0, 0)
