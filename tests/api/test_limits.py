"""`GET /v1/limits`: what is left, without a charge and without a write."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.errors import NetworkTimeout
from redis import Redis

from app.backends.backend import Backend
from app.http.instants import format_us
from app.usage.limits import PACE_DAYS
from app.usage.service import UsageService
from tests.api.conftest import NewCaller
from tests.callers import Caller, Clock, error_of, reserve
from tests.turns import DAY_MS, at, reservation, stateful

LIMITS = "/v1/limits"


def peek(caller: Caller) -> dict[str, Any]:
    answer = caller("GET", LIMITS)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def contents(redis: Redis) -> dict[str, tuple[Any, int]]:
    """Return every key with its content and its expiry."""
    read = {"hash": redis.hgetall, "string": redis.get, "set": redis.smembers}
    ranges = {"zset": lambda name: redis.zrange(name, 0, -1, withscores=True)}
    names = list(redis.scan_iter())
    return {
        name: ({**read, **ranges}[redis.type(name)](name), redis.pexpiretime(name))
        for name in names
    }


def test_it_shows_what_other_routes_show_and_charges_nothing(tenant: NewCaller) -> None:
    caller = tenant("free", turns=10, active_relationships=5)
    caller.record(stateful())
    caller.record(stateful(status="failed"))
    reserve(caller, reservation())
    usage = caller("GET", "/v1/usage/turns")
    quota = usage.get_json()["quota"]
    used = caller("GET", "/v1/usage/active-relationships").get_json()

    found = peek(caller)

    relationships = {
        "active_relationships_used": used["active_relationships"],
        "active_relationships_limit": used["limit"],
    }
    assert found["quota"] == quota | relationships
    assert (found["quota"]["turns_used"], found["quota"]["turns_reserved"]) == (1, 1)
    assert found["rate_limit"]["requests_per_second"] == 5
    assert found["rate_limit"]["burst"] == 10
    assert peek(caller)["quota"] == found["quota"]


def test_it_changes_no_key_of_redis(tenant: NewCaller, backend: Backend) -> None:
    caller, other = tenant("free"), tenant("free")
    caller.record(at(1_000 * int(datetime.now(UTC).timestamp())))
    before = contents(backend.redis)
    assert peek(caller)["quota"] is not None
    assert peek(other)["quota"] is None  # nothing is loaded for it
    assert contents(backend.redis) == before


def test_the_bucket_is_the_one_that_other_requests_pay(tenant: NewCaller) -> None:
    caller = tenant("free", requests_per_second=1, burst=7)
    assert peek(caller)["rate_limit"]["remaining"] == 7
    for _ in range(3):
        caller("GET", "/v1/me")
    assert peek(caller)["rate_limit"]["remaining"] == 4


def test_a_worker_answers_ten_at_once_and_then_says_when(tenant: NewCaller) -> None:
    caller, other = tenant("free"), tenant("free")
    statuses = [caller("GET", LIMITS).status_code for _ in range(10)]
    refused = caller("GET", LIMITS)
    assert statuses == [200] * 10
    assert (refused.status_code, error_of(refused)["code"]) == (429, "rate_limit_exceeded")
    assert refused.headers["Retry-After"] == "1"
    assert peek(other)
    assert caller("GET", "/v1/me").status_code == 200


def test_an_exhausted_bucket_can_still_be_looked_at(tenant: NewCaller) -> None:
    caller = tenant("free", requests_per_second=1, burst=1)
    assert [caller("GET", "/v1/me").status_code for _ in range(2)] == [200, 429]
    assert peek(caller)["rate_limit"]["remaining"] == 0


@pytest.mark.parametrize(
    ("turns", "used_a_day", "days"),
    [(1_000, 10, None), (100, 10, 3), (70, 10, 0), (1_000, 0, None)],
)
def test_the_projection_is_the_pace_of_the_last_whole_days(
    tenant: NewCaller, clock: Clock, turns: int, used_a_day: int, days: int | None
) -> None:
    caller = tenant("free", turns=turns)
    # The billing period begins today, so that it lasts for some weeks.
    start_ms = clock.now_ms - clock.now_ms % DAY_MS + DAY_MS // 2
    for day in range(PACE_DAYS):
        clock.move(us=(start_ms + day * DAY_MS - clock.now_ms) * 1_000)
        caller.record_batch([at(clock.now_ms) for _ in range(used_a_day)])
    clock.move(us=(start_ms + PACE_DAYS * DAY_MS - clock.now_ms) * 1_000)
    caller.record(at(clock.now_ms, status="failed"))

    found = peek(caller)

    expected = None if days is None else format_us(clock.now_us + days * DAY_MS * 1_000)
    assert found["projected_exhaustion_at"] == expected


def to_noon_after(clock: Clock, days: int) -> None:
    """Move the clock by whole days and to the middle of the day."""
    noon_ms = clock.now_ms - clock.now_ms % DAY_MS + DAY_MS // 2
    clock.move(us=(noon_ms + days * DAY_MS - clock.now_ms) * 1_000)


def test_an_organization_of_two_days_has_the_pace_of_these(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=60)
    to_noon_after(clock, 0)
    caller.record_batch([at(clock.now_ms) for _ in range(10)])
    assert peek(caller)["projected_exhaustion_at"] is None  # no whole day yet
    to_noon_after(clock, 1)
    caller.record_batch([at(clock.now_ms) for _ in range(10)])
    to_noon_after(clock, 1)

    found = peek(caller)

    four_days_us = 4 * DAY_MS * 1_000
    assert found["projected_exhaustion_at"] == format_us(clock.now_us + four_days_us)


def test_imports_do_not_count_in_the_pace(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=40)
    to_noon_after(clock, 0)
    caller.record_batch([at(clock.now_ms) for _ in range(10)])
    caller.import_([at(clock.now_ms) for _ in range(90)])
    to_noon_after(clock, 1)

    found = peek(caller)

    assert found["quota"]["turns_used"] == 10
    assert found["projected_exhaustion_at"] == format_us(clock.now_us + 3 * DAY_MS * 1_000)


def test_held_turns_may_be_given_back(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", turns=2)
    caller.record(at(clock.now_ms))
    reserve(caller, reservation())
    found = peek(caller)
    assert (found["quota"]["turns_remaining"], found["projected_exhaustion_at"]) == (0, None)
    to_noon_after(clock, 1)
    day_us = DAY_MS * 1_000
    assert peek(caller)["projected_exhaustion_at"] == format_us(clock.now_us + day_us)


def test_without_mongodb_it_is_unavailable(
    tenant: NewCaller, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise NetworkTimeout("frozen")

    caller = tenant("free")
    caller.record(at(clock.now_ms))
    to_noon_after(clock, 1)
    monkeypatch.setattr(UsageService, "turns", fail)
    answer = caller("GET", LIMITS)
    assert (answer.status_code, error_of(answer)["code"]) == (503, "service_unavailable")
    assert answer.headers["Retry-After"] == "1"


def test_an_unlimited_quota_is_never_exhausted(tenant: NewCaller) -> None:
    caller = tenant("enterprise")
    caller.record(stateful())
    found = peek(caller)
    assert (found["quota"]["turns_limit"], found["projected_exhaustion_at"]) == (None, None)


def test_credits_are_the_quota_by_component(tenant: NewCaller) -> None:
    caller = tenant("free", turns=10, active_relationships=5)
    caller.record(stateful())
    caller.record(stateful(status="failed"))
    reserve(caller, reservation())
    quota = caller("GET", "/v1/usage/turns").get_json()["quota"]

    answer = caller("GET", "/v1/billing/credits")

    rows = {row["component"]: row for row in answer.get_json()["data"]}
    ends = {row.pop("resets_at") for row in rows.values()}
    assert ends == {quota["period_end"]}
    shown = {name: tuple(row.values())[1:] for name, row in rows.items()}
    assert shown == {
        "turns": (1, 1, 10, 8),
        "active_relationships": (1, 0, 5, 4),
        "uncharged_turns": (1, 0, 10, 9),
    }
    assert answer.headers["X-Quota-Turns-Used"] == "2"


def test_a_subscription_names_plan_and_period(tenant: NewCaller) -> None:
    caller = tenant("pro")
    quota = caller("GET", "/v1/usage/turns").get_json()["quota"]
    found = caller("GET", "/v1/billing/subscription").get_json()
    assert (found["plan"], found["status"], found["overage_policy"]) == ("pro", "active", "block")
    for name in ("period_start", "period_end"):
        assert found[name] == quota[name]
