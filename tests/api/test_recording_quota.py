"""Recording with an exhausted quota or an empty bucket: refusals, headers and details."""

import pytest

from app.admission import policy
from app.http.instants import format_ms
from app.tenancy.model import Environment, Scope
from app.tenancy.periods import period_at
from tests.api.conftest import NewCaller
from tests.callers import Caller, Clock, error_of
from tests.turns import at, body, stateful

RATE = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
QUOTA = {
    "X-Quota-Turns-Used",
    "X-Quota-Turns-Limit",
    "X-Quota-Active-Relationships-Used",
    "X-Quota-Active-Relationships-Limit",
    "X-Quota-Reset",
}


def period_end_us(caller: Caller, clock: Clock) -> int:
    return period_at(caller.organization.signed_up_on, clock.now_us).end_us


def test_an_exhausted_quota_of_turns_is_429_with_details_and_headers(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", turns=2, active_relationships=9)
    for _ in range(2):
        assert caller.record(at(clock.now_ms)).status_code == 201

    answer = caller.record(at(clock.now_ms))

    end_us = period_end_us(caller, clock)
    resets_at = format_ms(end_us // 1_000)
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["type"]) == (429, "quota_exhausted", "quota")
    assert error["details"] == {
        "component": "turns",
        "used": 2,
        "limit": 2,
        "resets_at": resets_at,
        "held_until": None,
        "retry_after_ms": -(-(end_us - clock.now_us) // 1_000),
    }
    assert answer.headers["Retry-After"] == str(-(-(end_us - clock.now_us) // 1_000_000))
    assert answer.headers["X-Quota-Turns-Used"] == "2"
    assert answer.headers["X-Quota-Turns-Limit"] == "2"
    assert answer.headers["X-Quota-Active-Relationships-Used"] == "0"
    assert answer.headers["X-Quota-Active-Relationships-Limit"] == "9"
    assert answer.headers["X-Quota-Reset"] == resets_at
    assert set(answer.headers.keys()) >= RATE
    assert caller.rows_count() == 2


def test_an_exhausted_quota_of_relationships_refuses_only_new_ones(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", active_relationships=1)
    now = format_ms(clock.now_ms)
    assert caller.record(stateful("rel_1", occurred_at=now)).status_code == 201

    refused = caller.record(stateful("rel_2", occurred_at=now))
    known = caller.record(stateful("rel_1", occurred_at=now))
    stateless = caller.record(at(clock.now_ms))

    assert refused.status_code == 429
    details = error_of(refused)["details"]
    assert (details["component"], details["used"], details["limit"]) == (
        "active_relationships",
        1,
        1,
    )
    assert [known.status_code, stateless.status_code] == [201, 201]
    assert known.get_json()["usage"]["active_relationship_counted"] is False


def test_a_turn_is_refused_unless_its_whole_cost_fits(tenant: NewCaller) -> None:
    caller = tenant("free", turns=5)

    assert caller.record(body(usage={"turns_consumed": 6})).status_code == 429
    assert caller.record(body(usage={"turns_consumed": 5})).status_code == 201
    assert caller.record(body(usage={"turns_consumed": 1})).status_code == 429
    assert caller.counters()["turns_used"] == 5


def test_the_bound_on_relationships_is_named_although_the_plan_shows_none(
    tenant: NewCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "MAX_RELATIONSHIPS", 1)
    caller = tenant("enterprise", turns=77, overage_policy="allow")
    assert caller.record(stateful("rel_1")).status_code == 201

    refused = caller.record(stateful("rel_2"))

    details = error_of(refused)["details"]
    assert (details["component"], details["used"], details["limit"]) == (
        "active_relationships",
        1,
        1,
    )
    assert "X-Quota-Active-Relationships-Limit" not in refused.headers


@pytest.mark.parametrize("wait_s", [0, 301])
def test_a_stored_turn_is_200_although_the_quota_is_exhausted(
    tenant: NewCaller, clock: Clock, wait_s: int
) -> None:
    caller = tenant("free", turns=1, active_relationships=1)
    payload = stateful(occurred_at=format_ms(clock.now_ms))
    first = caller.record(payload)
    assert caller.record(at(clock.now_ms)).status_code == 429
    clock.move(s=wait_s)

    again = caller.record(payload)
    other = caller.record(payload | {"latency_ms": 1})

    assert (again.status_code, again.data) == (200, first.data)
    assert other.status_code == 409
    assert caller.counters()["turns_used"] == 1


def test_a_refused_turn_is_admitted_when_the_period_rolls_over(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", turns=1)
    caller.record(at(clock.now_ms))
    refused = caller.record(at(clock.now_ms))
    clock.move(us=period_end_us(caller, clock) - clock.now_us - 1)
    last = caller.record(at(clock.now_ms))
    clock.move(us=1)

    payload = at(clock.now_ms)
    answers = [caller.record(payload).status_code, caller.record(payload).status_code]

    assert (refused.status_code, last.status_code) == (429, 429)
    assert answers == [201, 200]
    following = period_at(caller.organization.signed_up_on, clock.now_us)
    resets_at = caller.record(payload).headers["X-Quota-Reset"]
    assert resets_at == format_ms(following.end_us // 1_000)


def test_the_overage_policy_allow_counts_and_never_refuses(tenant: NewCaller) -> None:
    caller = tenant("free", turns=1, active_relationships=1, overage_policy="allow")

    answers = [caller.record(stateful(f"rel_{number}")) for number in range(3)]

    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[-1].headers["X-Quota-Turns-Used"] == "3"
    assert answers[-1].headers["X-Quota-Turns-Limit"] == "1"
    assert answers[-1].headers["X-Quota-Active-Relationships-Used"] == "3"


def test_an_unlimited_ceiling_is_left_out_of_the_headers(caller: Caller) -> None:
    answer = caller.record(body())

    assert set(answer.headers.keys()) & QUOTA == QUOTA - {
        "X-Quota-Turns-Limit",
        "X-Quota-Active-Relationships-Limit",
    }


def test_environments_have_separate_quotas_and_one_bucket(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=1)
    sandbox = tenant("free", of=caller.organization, environment=Environment.TEST)
    now = clock.now_ms

    statuses = [each.record(at(now)).status_code for each in (caller, sandbox, caller, sandbox)]

    assert statuses == [201, 201, 429, 429]
    assert caller.list_().headers["X-RateLimit-Remaining"] == "5"


def test_reads_are_never_refused_for_quota(tenant: NewCaller) -> None:
    caller = tenant("free", turns=0)
    assert caller.record(body()).status_code == 429

    assert caller.list_().status_code == 200


def empty_the_bucket(caller: Caller) -> None:
    answers = [caller.list_().status_code for _ in range(3)]
    assert answers[-1] == 429


def test_an_empty_bucket_refuses_a_recording_and_charges_nothing(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", requests_per_second=1, burst=2)
    payload = at(clock.now_ms)
    empty_the_bucket(caller)

    answer = caller.record(payload)

    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (429, "rate_limit_exceeded")
    assert error["details"] == {"limit": 1, "retry_after_ms": 1_000}
    assert error["message"] == "Rate limit exceeded. Retry after 1 second."
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert set(answer.headers.keys()) >= RATE | QUOTA
    assert caller.rows_count() == 0
    clock.move(us=999_999)
    assert caller.record(payload).status_code == 429
    clock.move(us=1)
    assert caller.record(payload).status_code == 201
    assert caller.counters()["turns_used"] == 1


def test_a_stored_turn_with_an_empty_bucket_is_rate_limited(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", requests_per_second=1, burst=2, turns=1)
    payload = at(clock.now_ms)
    caller.record(payload)
    clock.move(s=400)  # the charge has left the replay cache: only the ledger has the turn
    empty_the_bucket(caller)

    answer = caller.record(payload)

    assert (answer.status_code, error_of(answer)["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers["Retry-After"] == "1"


def test_a_refusal_by_bucket_and_quota_is_quota_exhausted_with_the_later_wait(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", requests_per_second=1, burst=2, turns=1)
    caller.record(at(clock.now_ms))
    empty_the_bucket(caller)

    answer = caller.record(at(clock.now_ms))

    assert (answer.status_code, error_of(answer)["code"]) == (429, "quota_exhausted")
    wait_us = period_end_us(caller, clock) - clock.now_us
    assert answer.headers["Retry-After"] == str(-(-wait_us // 1_000_000))
    assert answer.headers["X-RateLimit-Remaining"] == "0"


def test_the_later_wait_may_be_the_buckets(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", requests_per_second=1, burst=2, turns=1)
    clock.move(us=period_end_us(caller, clock) - clock.now_us - 400_000)
    caller.record(at(clock.now_ms))
    empty_the_bucket(caller)

    answer = caller.record(at(clock.now_ms))

    # 0.4 s until the period ends, 1 s until the bucket has a token: both round up to 1 s.
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert error_of(answer)["code"] == "quota_exhausted"


def test_a_refusal_by_quota_still_takes_a_token(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=0, requests_per_second=1, burst=5)

    left = [caller.record(at(clock.now_ms)).headers["X-RateLimit-Remaining"] for _ in range(5)]

    assert left == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("payload", [{}, {"text": "x"}, None, [1]])
def test_a_malformed_recording_takes_a_token_and_no_quota(
    tenant: NewCaller, clock: Clock, payload: object
) -> None:
    caller = tenant("free", requests_per_second=1, burst=5)

    left = [
        caller("POST", "/v1/interactions", json=payload).headers["X-RateLimit-Remaining"]
        for _ in range(2)
    ]
    forbidden = tenant("free", of=caller.organization, scope=Scope.READ).record(at(clock.now_ms))

    assert left == ["4", "3"]
    assert set(forbidden.headers.keys()) >= QUOTA
    assert forbidden.headers["X-RateLimit-Remaining"] == "2"
    assert caller.rows_count() == 0


def test_a_plan_change_is_a_new_limit_over_the_same_count(tenant: NewCaller) -> None:
    caller = tenant("free", turns=1)
    caller.record(body())
    assert caller.record(body()).status_code == 429
    # A second key, because the identity of the first is cached with the old plan.
    wider = tenant("free", of=caller.organization, turns=2)

    assert [wider.record(body()).status_code for _ in range(2)] == [201, 429]
    narrower = tenant("free", of=caller.organization, turns=1)
    assert narrower.record(body()).headers["X-Quota-Turns-Used"] == "2"
