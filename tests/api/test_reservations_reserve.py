"""`POST /v1/turns`: hold quota before the turn is run."""

from typing import Any, NoReturn

import pytest
from pymongo.errors import NetworkTimeout
from werkzeug.test import TestResponse

from app.http.instants import format_ms, parse_ms
from app.interactions.ids import find_ulid, instant_ms
from app.interactions.store import InteractionStore
from app.tenancy.periods import period_at
from tests.api.conftest import NewCaller
from tests.callers import LIST, TURNS, Caller, Clock, at_once, error_of, reserve
from tests.turns import at, reservation, stateful

HOLD_S = 150


def quota_of(answer: TestResponse) -> tuple[int, int, int | None]:
    quota = answer.get_json()["quota"]
    return quota["turns_used"], quota["turns_reserved"], quota["turns_remaining"]


def test_a_reservation_has_id_expiry_and_quota(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=5)
    caller.record(at(clock.now_ms))

    answer = reserve(caller, reservation("turn_a", hold_seconds=60))

    payload = answer.get_json()
    assert answer.status_code == 201
    assert set(payload) == {"interaction_id", "expires_at", "quota"}
    assert instant_ms(find_ulid(payload["interaction_id"]) or "") == clock.now_ms
    assert payload["expires_at"] == format_ms(clock.now_ms + 60_000)
    usage = caller("GET", "/v1/usage/turns").get_json()["quota"]
    assert payload["quota"] == usage
    assert quota_of(answer) == (1, 1, 3)
    assert answer.headers["X-Quota-Turns-Used"] == "2"
    assert caller.rows_count() == 1


def test_a_repeated_reservation_is_the_same_one_also_with_the_last_turn_of_the_quota(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", turns=1, active_relationships=1, burst=100, requests_per_second=100)
    payload = reservation("turn_a", relationship_id="rel_a")
    first = reserve(caller, payload)
    clock.move(s=HOLD_S - 1)

    answers = at_once([lambda: reserve(caller, payload)] * 50)

    assert (first.status_code, {answer.status_code for answer in answers}) == (201, {200})
    assert {answer.data for answer in answers} == {first.data}
    assert reserve(caller, reservation()).status_code == 429
    counted = caller.counters()
    assert (counted["turns_reserved"], counted["relationships_used"]) == (1, 1)


def test_the_same_turn_with_another_relationship_is_a_conflict(caller: Caller) -> None:
    reserve(caller, reservation("turn_a", relationship_id="rel_a"))

    for other in (reservation("turn_a", relationship_id="rel_b"), reservation("turn_a")):
        answer = reserve(caller, other)
        assert (answer.status_code, error_of(answer)["code"]) == (409, "conflict")
        assert error_of(answer)["details"] == {"reason": "reserved_elsewhere"}
    assert caller.counters()["turns_reserved"] == 1


@pytest.mark.parametrize("wait_s", [0, 301])
@pytest.mark.parametrize("status", ["completed", "failed"])
@pytest.mark.parametrize("turns", [1, 9])
def test_a_recorded_turn_cannot_be_reserved(
    tenant: NewCaller, clock: Clock, wait_s: int, status: str, turns: int
) -> None:
    caller = tenant("free", turns=turns)
    caller.record(at(clock.now_ms, turn_id="turn_a", status=status))
    clock.move(s=wait_s)

    answer = reserve(caller, reservation("turn_a"))

    assert (answer.status_code, error_of(answer)["code"]) == (409, "conflict")
    assert error_of(answer)["details"] == {"reason": "recorded"}
    assert caller.counters()["turns_reserved"] == 0
    assert answer.headers["X-Quota-Turns-Used"] == str(int(status == "completed"))


def test_an_expired_hold_is_released_in_the_next_call(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=1, active_relationships=1)
    first = reserve(caller, reservation("turn_a", relationship_id="rel_a"))
    clock.move(s=HOLD_S, us=-1)
    before = reserve(caller, reservation("turn_b", relationship_id="rel_b"))
    clock.move(us=1)

    read = caller("GET", "/v1/usage/active-relationships")
    again = reserve(caller, reservation("turn_a", relationship_id="rel_c"))

    assert (before.status_code, again.status_code) == (429, 201)
    assert read.get_json()["active_relationships"] == 0
    assert read.headers["X-Quota-Turns-Used"] == "0"
    assert again.get_json()["interaction_id"] != first.get_json()["interaction_id"]
    assert caller.counters()["reservations"] == 1


def test_an_exhausted_quota_is_429_as_for_recordings(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=2, active_relationships=1)
    caller.record(at(clock.now_ms))
    reserve(caller, reservation(relationship_id="rel_a"))

    answer = reserve(caller, reservation())

    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (429, "quota_exhausted")
    assert (error["details"]["component"], error["details"]["used"]) == ("turns", 2)
    assert "Open reservations hold what is left of the quota of 2 turns" in error["message"]
    assert answer.headers["Retry-After"] == str(HOLD_S)
    assert answer.headers["X-Quota-Turns-Limit"] == "2"
    refused = caller.record(at(clock.now_ms))
    assert error_of(refused)["code"] == "quota_exhausted"


def test_an_exhausted_quota_of_relationships_refuses_only_new_ones(tenant: NewCaller) -> None:
    caller = tenant("free", active_relationships=1)

    answers = [reserve(caller, reservation(relationship_id=f"rel_{name}")) for name in "aba"]

    assert [answer.status_code for answer in answers] == [201, 429, 201]
    assert error_of(answers[1])["details"]["component"] == "active_relationships"


def test_the_overage_policy_allow_never_refuses_for_quota(tenant: NewCaller) -> None:
    caller = tenant("free", turns=0, active_relationships=0, overage_policy="allow")

    assert reserve(caller, reservation(relationship_id="rel_a")).status_code == 201


def test_too_many_open_reservations_wait_for_the_next_expiry(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", burst=1, requests_per_second=1, overage_policy="allow")
    for number in range(150):
        payload = reservation(hold_seconds=3_600 if number else 1_000)
        assert reserve(caller, payload).status_code == 201
        clock.move(s=1)

    answer = reserve(caller, reservation())

    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (429, "rate_limit_exceeded")
    assert error["details"] == {
        "component": "reservations",
        "limit": 150,
        "retry_after_ms": 850_000,
    }
    assert answer.headers["Retry-After"] == "850"
    clock.move(s=850, us=-1)
    assert reserve(caller, reservation()).status_code == 429
    clock.move(s=1)
    assert reserve(caller, reservation()).status_code == 201


def test_an_empty_bucket_holds_nothing(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", burst=1, requests_per_second=1)
    assert caller.list_().status_code == 200

    answer = reserve(caller, reservation())

    assert (answer.status_code, error_of(answer)["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers["Retry-After"] == "1"
    assert caller.counters().get("turns_reserved", 0) == 0


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (reservation(hold_seconds=9), "hold_seconds"),
        (reservation(hold_seconds=3_601), "hold_seconds"),
        (reservation(hold_seconds=True), "hold_seconds"),
        (reservation() | {"turn_id": "a b"}, "turn_id"),
        (reservation() | {"message": "hello"}, "message"),
        (reservation() | {"mode": "stateful"}, "user_id"),
        ({}, "turn_id"),
    ],
)
def test_a_malformed_reservation_names_the_field_and_takes_a_token(
    tenant: NewCaller, clock: Clock, payload: dict[str, Any], field: str
) -> None:
    caller = tenant("free", burst=5, requests_per_second=1)

    answer = reserve(caller, payload)

    assert (answer.status_code, error_of(answer)["code"]) == (400, "validation_error")
    assert field in {field_error["field"] for field_error in error_of(answer)["details"]}
    assert answer.headers["X-RateLimit-Remaining"] == "4"
    assert reserve(caller, reservation()).headers["X-RateLimit-Remaining"] == "3"


def test_hold_bounds_are_inclusive(caller: Caller) -> None:
    assert {
        reserve(caller, reservation(hold_seconds=seconds)).status_code for seconds in (10, 3_600)
    } == {201}


def test_a_plain_recording_settles_the_reservation(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=1, active_relationships=1)
    when = format_ms(clock.now_ms)
    payload = stateful("rel_a", turn_id="turn_a", occurred_at=when)
    reserved = reserve(caller, reservation("turn_a", relationship_id="rel_a")).get_json()
    clock.move(s=2)

    answer = caller.record(payload)

    assert answer.status_code == 201
    assert answer.get_json()["usage"]["active_relationship_counted"] is True
    counted = caller.counters()
    assert (counted["turns_used"], counted["turns_reserved"], counted["reservations"]) == (1, 0, 0)
    assert counted["relationships_used"] == 1
    path = f"{TURNS}/{reserved['interaction_id']}"
    same = {name: value for name, value in payload.items() if name != "occurred_at"}
    again = caller("PUT", path, json=same)
    assert (again.status_code, again.data) == (200, answer.data)
    assert caller("PUT", path, json=same | {"latency_ms": 7}).status_code == 409
    assert caller("DELETE", path).status_code == 409


def test_a_recording_is_judged_for_the_cost_above_its_reservation(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", turns=2)
    reserve(caller, reservation("turn_a"))
    reserve(caller, reservation("turn_b"))
    payload = at(clock.now_ms, turn_id="turn_a", usage={"turns_consumed": 2})

    assert caller.record(payload).status_code == 429
    assert caller.counters()["turns_reserved"] == 2
    answer = caller(
        "POST", f"{LIST}/batch", json={"interactions": [at(clock.now_ms, turn_id="turn_b")]}
    )
    assert answer.get_json()["results"][0]["status"] == "created"
    assert parse_ms(format_ms(clock.now_ms)) == clock.now_ms


def test_a_hold_is_kept_when_the_database_fails(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(InteractionStore, "find_turns", fail)
        assert reserve(caller, reservation("turn_a")).status_code == 503
    # A concurrent request for the same turn may have been granted this hold.
    assert caller.counters()["turns_reserved"] == 1
    assert reserve(caller, reservation("turn_a")).status_code == 200
    assert caller.counters()["turns_reserved"] == 1


def fail(*_: object) -> NoReturn:
    raise NetworkTimeout("frozen")


def test_the_same_turn_has_one_id_also_at_a_period_boundary(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free")
    end_us = period_at(caller.organization.signed_up_on, clock.now_us).end_us
    clock.move(us=end_us - clock.now_us - 1)
    before = reserve(caller, reservation("turn_a")).get_json()
    clock.move(s=1)

    after = reserve(caller, reservation("turn_a"))

    payload = after.get_json()
    assert after.status_code == 200
    assert payload["interaction_id"] == before["interaction_id"]
    assert payload["expires_at"] == before["expires_at"]
    assert quota_of(after)[:2] == (0, 0)
    assert caller("DELETE", f"{TURNS}/{payload['interaction_id']}").status_code == 204
