"""Redis's clock steps, and a worker does not know it yet: no valid request is refused."""

from dataclasses import replace

import pytest
from flask import Flask

from app.admission.clock import LedgerClock
from app.http.application import provided
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Environment, Scope
from tests.callers import LIST, TURNS, Caller, Clock, at_once, error_of, new_caller, reserve
from tests.turns import HOUR_MS, at, body, now_ms, reservation

DAY_S = 86_400
JUMPS_S = (3_600, -3_600, 10 * DAY_S, -10 * DAY_S)
jumps = pytest.mark.parametrize("jump_s", JUMPS_S)


def completed(turn_id: str) -> dict[str, object]:
    return {name: value for name, value in body(turn_id=turn_id).items() if name != "occurred_at"}


@jumps
def test_a_recording_is_judged_by_the_current_clock(
    caller: Caller, clock: Clock, jump_s: int
) -> None:
    clock.jump(s=jump_s)

    assert caller.record(at(clock.now_ms)).status_code == 201


@jumps
def test_concurrent_recordings_are_judged_by_the_current_clock_too(
    caller: Caller, clock: Clock, jump_s: int
) -> None:
    clock.jump(s=jump_s)
    turns = [at(clock.now_ms - number) for number in range(20)]

    answers = at_once([lambda each=each: caller.record(each) for each in turns])

    assert {answer.status_code for answer in answers} == {201}


def test_recordings_are_accepted_after_several_jumps(caller: Caller, clock: Clock) -> None:
    for jump_s in (*JUMPS_S, *JUMPS_S):
        clock.jump(s=jump_s)
        assert caller.record(at(clock.now_ms)).status_code == 201


@jumps
def test_every_element_of_a_batch_is_judged_by_the_current_clock(
    caller: Caller, clock: Clock, jump_s: int
) -> None:
    clock.jump(s=jump_s)
    elements = [at(clock.now_ms - number) for number in range(50)]

    answer = caller("POST", f"{LIST}/batch", json={"interactions": elements})

    assert {result["status"] for result in answer.get_json()["results"]} == {"created"}
    assert clock.asked_count <= 1


@pytest.mark.parametrize("end", ["PUT", "DELETE"])
@jumps
def test_a_reservation_can_be_settled_right_after_a_jump(
    caller: Caller, clock: Clock, jump_s: int, end: str
) -> None:
    """Settle on a worker whose clock predates the jump; another worker reserved after it."""
    known_us = clock.now_us
    clock.jump(s=jump_s)
    reserved = reserve(caller, reservation("turn_a")).get_json()["interaction_id"]
    clock._ledger_clock.learn(known_us)

    options = {"json": completed("turn_a")} if end == "PUT" else {}
    answer = caller(end, f"{TURNS}/{reserved}", **options)

    assert answer.status_code == (201 if end == "PUT" else 204)


def test_a_key_has_not_expired_because_a_clock_was_ahead(
    caller: Caller, clock: Clock, app: Flask
) -> None:
    with app.app_context():
        _, token = provided(ApiKeys).issue(
            caller.organization.id, Environment.LIVE, Scope.READ, expires_in_days=1
        )
    brief = replace(caller, token=token)
    clock.move(s=2 * DAY_S)
    assert error_of(brief.list_())["code"] == "token_expired"
    clock.jump(s=-DAY_S - 60)
    assert brief.list_().status_code == 200


@pytest.mark.parametrize("off_s", [-HOUR_MS // 1_000, HOUR_MS // 1_000, -3 * DAY_S, 3 * DAY_S])
def test_a_worker_with_a_wrong_time_reads_the_servers_clock(app: Flask, off_s: int) -> None:
    """Set the worker's time wrong, as a step of the server's clock does."""
    caller = new_caller(app)
    with app.app_context():
        clock = provided(LedgerClock)
    for _ in range(3):
        clock.learn(now_ms() * 1_000 + off_s * 1_000_000)
        assert caller.record(body()).status_code == 201
        assert abs(clock.now_us() - now_ms() * 1_000) < 60_000_000


@pytest.mark.parametrize("off_ms", [-48 * HOUR_MS - 1, 5 * 60_000 + 1])
def test_an_instant_out_of_range_is_refused_after_one_read_of_the_clock(
    caller: Caller, clock: Clock, off_ms: int
) -> None:
    assert caller.record(at(clock.now_ms)).status_code == 201
    assert clock.asked_count == 0
    off = at(clock.now_ms + off_ms)

    refused = caller.record(off)
    batch = caller("POST", f"{LIST}/batch", json={"interactions": [off] * 50})

    assert error_of(refused)["details"][0]["field"] == "occurred_at"
    assert {result["status"] for result in batch.get_json()["results"]} == {"rejected"}
    assert clock.asked_count == 2
