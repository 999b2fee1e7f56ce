"""The wait of a caller that is refused because open reservations hold the quota."""

import pytest
from werkzeug.test import TestResponse

from app.http.instants import format_ms
from app.tenancy.periods import period_at
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller, Clock, error_of, reserve
from tests.turns import at, reservation, stateful

HELD_S = (10, 20, 30)


def hold(caller: Caller, *, related: bool = False) -> None:
    """Reserve three turns whose holds expire ten seconds apart, each `related` or not."""
    for number, seconds in enumerate(HELD_S):
        relationship = f"rel_{number}" if related else None
        turn = reservation(hold_seconds=seconds, relationship_id=relationship)
        assert reserve(caller, turn).status_code == 201


def wait_of(answer: TestResponse) -> tuple[str, int]:
    assert (answer.status_code, error_of(answer)["code"]) == (429, "quota_exhausted")
    return answer.headers["Retry-After"], error_of(answer)["details"]["retry_after_ms"]


@pytest.mark.parametrize(("cost", "wait_s"), [(1, 10), (2, 20), (3, 30)])
def test_a_recording_waits_for_as_many_expiries_as_it_costs_turns(
    tenant: NewCaller, clock: Clock, cost: int, wait_s: int
) -> None:
    caller = tenant("free", turns=4)
    caller.record(at(clock.now_ms))
    hold(caller)
    turn = at(clock.now_ms, usage={"turns_consumed": cost})

    answer = caller.record(turn)

    assert wait_of(answer) == (str(wait_s), wait_s * 1_000)
    held_until = format_ms(clock.now_ms + wait_s * 1_000)
    assert error_of(answer)["details"]["held_until"] == held_until
    assert (
        f"retry after {held_until}, when enough of them have expired" in error_of(answer)["message"]
    )
    end_us = period_at(caller.organization.signed_up_on, clock.now_us).end_us
    resets_at = format_ms(end_us // 1_000)
    assert error_of(answer)["details"]["resets_at"] == resets_at
    assert answer.headers["X-Quota-Reset"] == resets_at
    clock.move(s=wait_s, us=-1)
    assert caller.record(turn).headers["Retry-After"] == "1"
    clock.move(us=1)
    assert caller.record(turn).status_code == 201


def test_without_enough_holds_a_refused_caller_waits_for_the_next_period(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", turns=4)
    caller.record(at(clock.now_ms))
    hold(caller)

    answer = caller.record(at(clock.now_ms, usage={"turns_consumed": 4}))

    end_us = period_at(caller.organization.signed_up_on, clock.now_us).end_us
    wait_ms = -(-(end_us - clock.now_us) // 1_000)
    assert wait_of(answer) == (str(-(-wait_ms // 1_000)), wait_ms)
    assert error_of(answer)["details"]["held_until"] is None
    assert "Upgrade the plan or wait" in error_of(answer)["message"]


def test_the_period_may_end_before_the_hold_expires(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=1)
    end_us = period_at(caller.organization.signed_up_on, clock.now_us).end_us
    clock.move(us=end_us - clock.now_us - 5_000_000)
    reserve(caller, reservation(hold_seconds=10))

    answer = caller.record(at(clock.now_ms))

    assert wait_of(answer) == ("5", 5_000)
    assert error_of(answer)["details"]["held_until"] is None
    clock.move(s=5)
    assert caller.record(at(clock.now_ms)).status_code == 201


@pytest.mark.parametrize("is_reservation", [False, True])
def test_a_new_relationship_waits_for_the_first_that_only_a_hold_keeps_active(
    tenant: NewCaller, clock: Clock, *, is_reservation: bool
) -> None:
    caller = tenant("free", active_relationships=3)
    hold(caller, related=True)
    occurred_at = format_ms(clock.now_ms)
    kept = stateful("rel_0", occurred_at=occurred_at)
    assert caller.record(kept).status_code == 201
    turn = stateful("rel_new", occurred_at=occurred_at)

    def ask() -> TestResponse:
        if is_reservation:
            return reserve(caller, reservation("turn_new", relationship_id="rel_new"))
        return caller.record(turn)

    answer = ask()

    assert wait_of(answer) == ("20", 20_000)
    assert error_of(answer)["details"]["component"] == "active_relationships"
    clock.move(s=20, us=-1)
    assert ask().status_code == 429
    clock.move(us=1)
    assert ask().status_code == 201


@pytest.mark.parametrize(("passed_s", "wait_s"), [(1, 9), (9.5, 1)])
def test_behind_an_empty_bucket_the_later_wait_counts(
    tenant: NewCaller, clock: Clock, passed_s: float, wait_s: int
) -> None:
    """Wait for the hold, which expires after 10 s, or for the bucket's token after 1 s."""
    caller = tenant("free", turns=1, requests_per_second=1, burst=1)
    turn = at(clock.now_ms)
    reserve(caller, reservation(hold_seconds=10))
    clock.move(s=passed_s)
    assert caller.list_().status_code == 200

    answer = caller.record(turn)

    assert wait_of(answer) == (str(wait_s), wait_s * 1_000)
    clock.move(s=wait_s)
    assert caller.record(turn).status_code == 201


def test_a_reservation_waits_as_a_recording_does(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=3)
    hold(caller)

    answer = reserve(caller, reservation())

    assert wait_of(answer) == ("10", 10_000)
    clock.move(s=10)
    assert reserve(caller, reservation()).status_code == 201


def test_each_refused_element_of_a_batch_has_its_own_wait(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=4)
    hold(caller)
    costs = [3, 1, 4]
    batch = [at(clock.now_ms, usage={"turns_consumed": cost}) for cost in costs]

    answer = caller("POST", f"{LIST}/batch", json={"interactions": batch})

    first, second, third = answer.get_json()["results"]
    # With the second one charged, the first needs all three holds, and the third never fits.
    assert second["status"] == "created"
    assert first["error"]["details"]["retry_after_ms"] == 30_000
    assert first["error"]["details"]["held_until"] == format_ms(clock.now_ms + 30_000)
    assert third["error"]["details"]["held_until"] is None
    clock.move(s=30)
    again = caller("POST", f"{LIST}/batch", json={"interactions": batch})
    assert [each["status"] for each in again.get_json()["results"]][:2] == ["created", "duplicate"]
