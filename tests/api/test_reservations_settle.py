"""`PUT` and `DELETE /v1/turns/{interaction_id}`: how a reservation ends."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.admission.reconcile import Reconciler
from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import format_ms
from app.interactions.store import Insertion, InteractionStore
from app.tenancy.model import Environment
from app.tenancy.periods import period_at
from tests.api.conftest import NewCaller
from tests.callers import TURNS, Caller, Clock, error_of, reserve
from tests.turns import at, body, reservation, stateful

HOUR_S = 3_600


def trace(turn_id: str = "turn_a", **changes: Any) -> dict[str, Any]:
    payload = body(turn_id=turn_id, **changes)
    del payload["occurred_at"]
    return payload


def stateful_trace(relationship_id: str, **changes: Any) -> dict[str, Any]:
    people = {"mode": "stateful", "user_id": "u_42", "relationship_id": relationship_id}
    return trace(**people | changes)


def held(caller: Caller, turn_id: str = "turn_a", **changes: Any) -> str:
    """Make a reservation; return its path."""
    answer = reserve(caller, reservation(turn_id, **changes))
    assert answer.status_code == 201, answer.text
    return f"{TURNS}/{answer.get_json()['interaction_id']}"


def put(caller: Caller, path: str, payload: dict[str, Any]) -> TestResponse:
    return caller("PUT", path, json=payload)


def counts(caller: Caller) -> tuple[int, int, int, int]:
    counted = caller.counters()
    names = ("turns_used", "turns_reserved", "reservations", "relationships_used")
    return tuple(counted[name] for name in names)  # type: ignore[return-value]


def test_a_completion_is_the_reservations_turn(caller: Caller, clock: Clock) -> None:
    path, reserved_at = held(caller), format_ms(clock.now_ms)
    clock.move(s=30)

    answer = put(caller, path, trace())

    item = answer.get_json()
    assert answer.status_code == 201
    assert item["interaction_id"] == path.rpartition("/")[2]
    assert item["created_at"] == reserved_at
    assert caller("GET", f"/v1/interactions/{item['interaction_id']}").get_json() == item
    assert counts(caller) == (1, 0, 0, 0)
    assert caller.list_all() == [item]


def test_a_repeated_completion_is_200_and_other_content_409_at_any_time(
    caller: Caller, clock: Clock
) -> None:
    path, payload = held(caller), trace()
    first = put(caller, path, payload)
    for _ in range(2):
        again = put(caller, path, payload)
        assert (again.status_code, again.data) == (200, first.data)
        assert put(caller, path, payload | {"latency_ms": 1}).status_code == 409
        assert put(caller, path, payload | {"status": "failed"}).status_code == 409
        assert reserve(caller, reservation("turn_a")).status_code == 409
        assert caller("DELETE", path).status_code == 409
        assert counts(caller) == (1, 0, 0, 0)
        clock.move(s=301)


def test_a_completion_is_never_refused_for_quota_and_its_excess_is_overage(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", turns=1, active_relationships=1)
    path = held(caller, relationship_id="rel_a")

    answer = put(caller, path, stateful_trace("rel_b", usage={"turns_consumed": 5}))

    assert answer.status_code == 201
    assert counts(caller) == (5, 0, 0, 1)
    assert answer.headers["X-Quota-Turns-Used"] == "5"
    assert reserve(caller, reservation()).status_code == 429


@pytest.mark.parametrize("status", ["failed", "timed_out"])
def test_a_failed_turn_is_recorded_unbilled_and_releases_its_hold(
    tenant: NewCaller, status: str
) -> None:
    caller = tenant("free", turns=1, active_relationships=1)
    path = held(caller, relationship_id="rel_a")

    answer = put(caller, path, stateful_trace("rel_a", status=status))

    assert (answer.status_code, counts(caller)) == (201, (0, 0, 0, 0))
    assert caller("DELETE", path).status_code == 409
    assert reserve(caller, reservation("turn_b", relationship_id="rel_b")).status_code == 201


def test_a_completion_needs_a_token_of_the_bucket(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", burst=1, requests_per_second=1)
    path = held(caller)

    refused = put(caller, path, trace())
    cancelled = caller("DELETE", path)

    assert [refused.status_code, cancelled.status_code] == [429, 429]
    assert error_of(refused)["code"] == "rate_limit_exceeded"
    assert counts(caller) == (0, 1, 1, 0)


@pytest.mark.parametrize("after_s", [150, 48 * HOUR_S])
def test_a_completion_after_the_expiry_is_recorded_and_counted(
    tenant: NewCaller, clock: Clock, after_s: int
) -> None:
    caller = tenant("free", turns=0, overage_policy="allow")
    path = held(caller)
    clock.move(s=after_s)

    assert put(caller, path, trace()).status_code == 201
    assert caller.rows_count() == 1


def test_a_completion_after_a_wipe_is_recorded_and_counted(caller: Caller, app: Flask) -> None:
    path = held(caller, relationship_id="rel_a")
    with app.app_context():
        provided(Backend).redis.flushdb()

    assert put(caller, path, stateful_trace("rel_a")).status_code == 201
    assert counts(caller) == (1, 0, 0, 1)


def test_a_reservation_is_settled_in_its_own_period(
    tenant: NewCaller, clock: Clock, app: Flask
) -> None:
    caller = tenant("free")
    signed_up_on = caller.organization.signed_up_on
    previous = period_at(signed_up_on, clock.now_us)
    clock.move(us=previous.end_us - clock.now_us - 1)
    path = held(caller, relationship_id="rel_a")
    clock.move(us=1)
    caller.record(at(clock.now_ms))
    page_before = caller.page()

    answer = put(caller, path, stateful_trace("rel_a"))

    assert answer.status_code == 201
    assert answer.headers["X-Quota-Reset"] == format_ms(previous.end_us // 1_000)
    with app.app_context():
        rows = provided(Backend).database["interactions"]
        row = rows.find_one({"account": caller.account, "mode": "stateful"})
        redis = provided(Backend).redis
    assert row is not None
    assert (row["quota_period"], row["charged"]) == (previous.label, 1)
    name = f"quota:{{{caller.organization.id}}}:live:{previous.label}"
    kept = redis.hmget(name, "turns_used", "turns_reserved", "relationships_used")
    assert kept == ["1", "0", "1"]
    usage = caller("GET", "/v1/usage/turns").get_json()["quota"]
    assert usage["turns_used"] == 1
    assert len(page_before["data"]) == 1
    assert len(caller.page()["data"]) == 2


def test_a_reservation_that_is_lost_with_its_period_counts_in_the_current_one(
    tenant: NewCaller, clock: Clock, app: Flask
) -> None:
    caller = tenant("free")
    previous = period_at(caller.organization.signed_up_on, clock.now_us)
    clock.move(us=previous.end_us - clock.now_us - 1_000_000)
    caller.record(at(clock.now_ms))
    path = held(caller)
    clock.move(s=48 * HOUR_S)
    with app.app_context():
        provided(Backend).redis.flushdb()

    answer = put(caller, path, trace())

    assert (answer.status_code, answer.headers["X-Quota-Turns-Used"]) == (201, "1")
    assert answer.headers["X-Quota-Reset"] > format_ms(previous.end_us // 1_000)


def test_a_listing_shows_a_late_completion_although_the_clock_stepped_back(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free")
    previous = period_at(caller.organization.signed_up_on, clock.now_us)
    clock.move(us=previous.end_us - clock.now_us - 1)
    path = held(caller)
    clock.move(s=HOUR_S)
    caller.record(at(clock.now_ms))
    caller.list_()
    clock.move(s=HOUR_S)
    put(caller, path, trace())
    clock.move(s=-HOUR_S / 2)

    assert len(caller.list_all()) == 2


def test_a_cancelled_turn_releases_its_hold_at_once_and_is_not_billed(tenant: NewCaller) -> None:
    caller = tenant("free", turns=1, active_relationships=1)
    path = held(caller, relationship_id="rel_a")

    answers = [caller("DELETE", path) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert answers[0].data == b""
    assert answers[0].headers["X-Quota-Turns-Used"] == "0"
    assert counts(caller) == (0, 0, 0, 0)
    completed = put(caller, path, stateful_trace("rel_a"))
    assert (completed.status_code, error_of(completed)["code"]) == (409, "conflict")
    assert error_of(completed)["details"] == {"reason": "cancelled"}
    assert caller.record(body(turn_id="turn_a")).status_code == 409
    assert reserve(caller, reservation("turn_a")).status_code == 409
    assert reserve(caller, reservation("turn_b", relationship_id="rel_b")).status_code == 201
    assert caller.rows_count() == 0


def test_an_expired_turn_can_be_cancelled_and_then_not_completed(
    caller: Caller, clock: Clock
) -> None:
    path = held(caller)
    clock.move(s=151)

    assert caller("DELETE", path).status_code == 204
    assert put(caller, path, trace()).status_code == 409
    clock.move(s=301)
    assert put(caller, path, trace()).status_code == 201


def test_a_cancellation_counts_for_the_rest_of_a_long_hold(caller: Caller, clock: Clock) -> None:
    path = held(caller, hold_seconds=3_600)
    caller("DELETE", path)
    clock.move(s=3_599)
    assert put(caller, path, trace()).status_code == 409


def test_an_id_must_belong_to_the_turn_and_the_tenant(tenant: NewCaller) -> None:
    caller = tenant("free")
    sandbox = tenant("free", of=caller.organization, environment=Environment.TEST)
    path = held(caller)

    answers = [
        put(caller, path, trace("turn_b")),
        put(sandbox, path, trace()),
        put(tenant("free"), path, trace()),
    ]

    for answer in answers:
        assert answer.status_code == 400
        assert [field_error["field"] for field_error in error_of(answer)["details"]] == ["turn_id"]
    bodies = [error_of(answer) | {"request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1] == bodies[2]
    for other in (sandbox, tenant("free")):
        assert other("DELETE", path).status_code == 204
    assert counts(caller) == (0, 1, 1, 0)
    assert put(caller, path, trace()).status_code == 201


@pytest.mark.parametrize("off_s", [49 * HOUR_S + 1, -301])
def test_an_id_of_an_instant_out_of_range_is_refused_with_the_reason(
    caller: Caller, clock: Clock, off_s: int
) -> None:
    path = held(caller)
    clock.move(s=off_s)

    answer = put(caller, path, trace())

    assert answer.status_code == 400
    assert [field_error["field"] for field_error in error_of(answer)["details"]] == [
        "interaction_id"
    ]
    assert caller("DELETE", path).status_code == 404
    clock.move(s=-1 if off_s > 0 else 1)
    assert put(caller, path, trace()).status_code == 201


@pytest.mark.parametrize("name", ["x", "int_", "int_8" + "0" * 25, "%00"])
def test_a_malformed_id_is_404_and_takes_a_token(
    tenant: NewCaller, clock: Clock, name: str
) -> None:
    caller = tenant("free", burst=5, requests_per_second=1)

    answers = [put(caller, f"{TURNS}/{name}", trace()), caller("DELETE", f"{TURNS}/{name}")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["4", "3"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"occurred_at": "2026-11-23T10:00:00Z"}, "occurred_at"),
        ({"message": "hello"}, "message"),
        ({"mode": "stateful"}, "user_id"),
        ({"latency_ms": -1}, "latency_ms"),
    ],
)
def test_a_malformed_completion_names_the_field(
    caller: Caller, changes: dict[str, Any], field: str
) -> None:
    path = held(caller)

    answer = put(caller, path, trace() | changes)

    assert answer.status_code == 400
    assert field in {field_error["field"] for field_error in error_of(answer)["details"]}
    assert counts(caller) == (0, 1, 1, 0)


def test_a_completion_that_the_database_refuses_is_refunded(
    caller: Caller, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = held(caller, relationship_id="rel_a")
    with app.app_context():
        store = provided(InteractionStore)

    def refuse(documents: list[dict[str, Any]]) -> list[Insertion]:
        return [Insertion.REFUSED_BY_DATABASE] * len(documents)

    monkeypatch.setattr(store, "insert_many", refuse)
    answer = put(caller, path, stateful_trace("rel_a"))
    monkeypatch.undo()

    assert (answer.status_code, counts(caller)) == (500, (0, 0, 0, 0))
    assert put(caller, path, stateful_trace("rel_a")).status_code == 201
    assert counts(caller) == (1, 0, 0, 1)


def test_reconciling_leaves_live_reservations_alone(caller: Caller, app: Flask) -> None:
    held(caller, relationship_id="rel_a")
    caller.record(stateful("rel_b"))
    with app.app_context():
        reconciler = provided(Reconciler)
        (result,) = reconciler.reconcile(reconciler.list_accounts(), wait=lambda _: None)
    assert (result.turns_drift, result.relationships_drift) == (0, 0)
    assert counts(caller) == (1, 1, 1, 2)
