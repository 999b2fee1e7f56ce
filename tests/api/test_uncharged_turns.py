"""Turns that cost nothing, over HTTP: recorded up to a ceiling of their own."""

import pytest

from app.http.instants import format_ms
from tests.api.conftest import NewCaller
from tests.api.test_recording_quota import period_end_us
from tests.callers import Clock, error_of, reserve
from tests.turns import at, body, reservation, stateful


def test_a_turn_that_costs_nothing_is_recorded_although_the_quota_is_exhausted(
    tenant: NewCaller,
) -> None:
    caller = tenant("free", turns=0, active_relationships=0, uncharged_turns=2)

    for payload in (body(status="failed"), stateful(status="timed_out")):
        assert caller.record(payload).status_code == 201
    assert caller.record(body()).status_code == 429


@pytest.mark.parametrize("overage_policy", ["block", "allow"])
def test_turns_that_cost_nothing_have_a_ceiling_of_their_own(
    tenant: NewCaller, clock: Clock, overage_policy: str
) -> None:
    caller = tenant("free", turns=9, uncharged_turns=2, overage_policy=overage_policy)
    failed = [at(clock.now_ms, status="failed") for _ in range(3)]
    for payload in failed[:2]:
        assert caller.record(payload).status_code == 201

    refused, again = caller.record(failed[2]), caller.record(failed[0])

    error = error_of(refused)
    assert (refused.status_code, error["code"]) == (429, "quota_exhausted")
    end_us = period_end_us(caller, clock)
    assert error["details"] == {
        "component": "uncharged_turns",
        "used": 2,
        "limit": 2,
        "resets_at": format_ms(end_us // 1_000),
        "held_until": None,
        "retry_after_ms": -(-(end_us - clock.now_us) // 1_000),
    }
    assert (refused.headers["X-Quota-Turns-Used"], again.status_code) == ("0", 200)
    assert caller.record(at(clock.now_ms)).status_code == 201
    clock.now_us = end_us
    assert caller.record(at(clock.now_ms, status="failed")).status_code == 201


@pytest.mark.parametrize("wait_s", [0, 301])
def test_a_stored_uncharged_turn_is_200_although_its_ceiling_is_reached(
    tenant: NewCaller, clock: Clock, wait_s: int
) -> None:
    caller = tenant("free", uncharged_turns=1)
    payload = at(clock.now_ms, status="timed_out")
    assert caller.record(payload).status_code == 201
    clock.move(s=wait_s)
    assert caller.record(payload).status_code == 200
    assert caller.record(payload | {"latency_ms": 1}).status_code == 409
    assert caller.record(at(clock.now_ms, status="failed")).status_code == 429
    assert caller.counters()["uncharged_used"] == caller.rows_count() == 1


def test_a_batch_is_recorded_up_to_the_ceiling_of_uncharged_turns(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", uncharged_turns=3)
    batch = [at(clock.now_ms, status="failed") for _ in range(5)]
    results = caller.record_batch(batch).get_json()["results"]
    assert [each["status"] for each in results] == ["created"] * 3 + ["rejected"] * 2
    assert {each["error"]["details"]["component"] for each in results[3:]} == {"uncharged_turns"}
    assert caller.rows_count() == 3


def test_a_reservation_is_completed_without_cost_beyond_the_ceiling(tenant: NewCaller) -> None:
    caller = tenant("free", uncharged_turns=0)
    reserved = reserve(caller, reservation("turn-held")).get_json()
    completion = body(turn_id="turn-held", status="failed")
    del completion["occurred_at"]
    answer = caller("PUT", f"/v1/turns/{reserved['interaction_id']}", json=completion)
    assert answer.status_code == 201
    assert caller.record(body(status="failed")).status_code == 429
