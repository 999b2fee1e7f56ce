"""`GET /v1/usage/turns` and `GET /v1/usage/active-relationships` over HTTP."""

from typing import Any

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import format_ms, parse_ms
from app.tenancy.model import Environment, Scope
from app.usage.archive import Archiver
from app.usage.store import UsageStore
from tests.api.conftest import NewCaller
from tests.callers import Caller, Clock, error_of, reserve
from tests.turns import DAY_MS, at, body, reservation, stateful

TURNS = "/v1/usage/turns"
RELATIONSHIPS = "/v1/usage/active-relationships"
QUOTA_HEADERS = {
    "X-Quota-Turns-Used",
    "X-Quota-Turns-Limit",
    "X-Quota-Active-Relationships-Used",
    "X-Quota-Active-Relationships-Limit",
    "X-Quota-Reset",
}


def ask(caller: Caller, path: str = TURNS, **query: str) -> dict[str, Any]:
    payload = {name.rstrip("_"): value for name, value in query.items()}
    answer = caller("GET", path, query_string=payload)
    assert answer.status_code == 200, answer.text
    usage: dict[str, Any] = answer.get_json()
    return usage


def archive(app: Flask) -> None:
    with app.app_context():
        Archiver(provided(UsageStore)).run()


def expire(app: Flask) -> int:
    """Delete the expired turns, as the TTL index does; return their number."""
    with app.app_context():
        rows = provided(Backend).database["interactions"]
        return int(rows.delete_many({"expires_at": {"$exists": True}}).deleted_count)


def test_the_default_is_each_day_of_the_billing_period_until_today(tenant: NewCaller) -> None:
    caller = tenant("free")
    assert caller.record(body()).status_code == 201

    usage = ask(caller)

    days, quota = usage["data"], usage["quota"]
    assert set(usage) == {"data", "quota"}
    assert days[0] == {
        "period_start": quota["period_start"],
        "period_end": format_ms(parse_ms(quota["period_start"]) + DAY_MS),
        "total_turns": 1,
        "turns_consumed": 1,
        "input_tokens": 0,
        "output_tokens": 0,
        "complete": False,
        "by_status": {"completed": 1, "guardrail_blocked": 0, "failed": 0, "timed_out": 0},
    }
    # Five minutes before midnight a turn of tomorrow can be recorded.
    assert len(days) <= 2
    assert sum(day["total_turns"] for day in days) == 1


def test_the_quota_is_in_the_body_and_in_headers(tenant: NewCaller) -> None:
    caller = tenant("free", turns=10, active_relationships=3, uncharged_turns=5)
    paid = (stateful("r_1"), stateful("r_1"), body(usage={"turns_consumed": 4}))
    for payload in (*paid, body(status="failed"), body(usage={"turns_consumed": 0})):
        assert caller.record(payload).status_code == 201

    answer = caller("GET", TURNS)

    quota = answer.get_json()["quota"]
    assert quota.pop("period_start") < quota["period_end"]
    assert quota == {
        "turns_used": 6,
        "turns_reserved": 0,
        "turns_limit": 10,
        "turns_remaining": 4,
        "uncharged_turns_used": 2,
        "uncharged_turns_limit": 5,
        "period_end": answer.headers["X-Quota-Reset"],
        "overage_policy": "block",
    }
    assert {name for name in answer.headers.keys() if name.startswith("X-Quota")} == QUOTA_HEADERS  # noqa: SIM118
    assert answer.headers["X-Quota-Turns-Used"] == "6"
    assert answer.headers["X-Quota-Turns-Limit"] == "10"
    assert answer.headers["X-Quota-Active-Relationships-Used"] == "1"


def test_used_reserved_and_remaining_turns_add_up_to_the_limit(tenant: NewCaller) -> None:
    caller = tenant("free", turns=10)
    caller.record(body(usage={"turns_consumed": 4}))
    for _ in range(2):
        assert reserve(caller, reservation()).status_code == 201

    answer = caller("GET", TURNS)

    quota = answer.get_json()["quota"]
    parts = [quota[f"turns_{name}"] for name in ("used", "reserved", "remaining")]
    assert (parts, sum(parts)) == ([4, 2, 4], quota["turns_limit"])
    assert answer.headers["X-Quota-Turns-Used"] == "6"


def test_active_relationships_are_those_of_the_quota(tenant: NewCaller) -> None:
    caller = tenant("free", active_relationships=3)
    for payload in (stateful("r_1"), stateful("r_1"), stateful("r_2"), body()):
        assert caller.record(payload).status_code == 201

    answer = caller("GET", RELATIONSHIPS)

    payload = answer.get_json()
    assert payload.pop("period_start") < payload["period_end"]
    assert payload == {
        "active_relationships": 2,
        "limit": 3,
        "remaining": 1,
        "period_end": answer.headers["X-Quota-Reset"],
    }
    assert answer.headers["X-Quota-Active-Relationships-Used"] == "2"


def test_unlimited_is_null_and_has_no_header(tenant: NewCaller) -> None:
    caller = tenant("enterprise")

    quota = ask(caller)["quota"]

    assert (quota["turns_limit"], quota["turns_remaining"]) == (None, None)
    relationships = caller("GET", RELATIONSHIPS)
    assert relationships.get_json()["limit"] is None
    assert relationships.get_json()["remaining"] is None
    assert "X-Quota-Active-Relationships-Limit" not in relationships.headers
    assert relationships.headers["X-Quota-Turns-Used"] == "0"


@pytest.mark.parametrize(
    ("plan", "limits", "ceiling"),
    [
        ("free", {"turns": 7}, 7),
        ("free", {"turns": 7, "overage_policy": "allow"}, 7),
        ("free", {"turns": 7, "uncharged_turns": 0}, 0),
        ("enterprise", {}, 1_000_000),
    ],
)
def test_uncharged_turns_always_have_a_ceiling(
    tenant: NewCaller, plan: str, limits: dict[str, int | str], ceiling: int
) -> None:
    caller = tenant(plan, **limits)

    assert ask(caller)["quota"]["uncharged_turns_limit"] == ceiling


def test_the_usage_shows_uncharged_turns_as_a_refusal_counts_them(tenant: NewCaller) -> None:
    caller = tenant("free", uncharged_turns=2)
    statuses = [caller.record(body(status="failed")).status_code for _ in range(3)]
    caller.import_([body(status="failed")])

    quota = ask(caller)["quota"]
    details = error_of(caller.record(body(status="timed_out")))["details"]

    assert statuses == [201, 201, 429]
    assert (quota["uncharged_turns_used"], quota["uncharged_turns_limit"]) == (2, 2)
    assert (details["used"], details["limit"]) == (2, 2)


def test_with_overage_the_remaining_quota_is_zero(tenant: NewCaller) -> None:
    caller = tenant("free", turns=1, active_relationships=1, overage_policy="allow")
    for number in range(3):
        assert caller.record(stateful(f"r_{number}")).status_code == 201

    quota, relationships = ask(caller)["quota"], ask(caller, RELATIONSHIPS)

    assert (quota["turns_used"], quota["turns_remaining"]) == (3, 0)
    assert quota["overage_policy"] == "allow"
    assert (relationships["active_relationships"], relationships["remaining"]) == (3, 0)


def test_buckets_hold_imports_and_the_quota_does_not(caller: Caller) -> None:
    caller.import_(at(1_793_145_600_000 + n) for n in range(3))

    usage = ask(caller, from_="2026-10-28", to="2026-10-29")

    assert [day["total_turns"] for day in usage["data"]] == [3]
    assert usage["quota"]["turns_used"] == 0


def test_usage_of_expired_turns_comes_from_the_archive(
    app: Flask, caller: Caller, clock: Clock
) -> None:
    first_ms = clock.now_ms // DAY_MS * DAY_MS - 20 * DAY_MS
    caller.import_(at(first_ms + day * DAY_MS, status="failed") for day in range(20))
    span = {"from_": format_ms(first_ms), "to": format_ms(first_ms + 20 * DAY_MS)}
    live = ask(caller, **span)["data"]

    archive(app)
    archived = ask(caller, **span)["data"]
    assert expire(app) == 20
    clock.move(s=200 * 86_400)
    for _ in range(2):
        archive(app)

    assert caller.list_all() == []
    assert ask(caller, **span)["data"] == archived == live
    assert [day["total_turns"] for day in live] == [1] * 20
    assert all(day["complete"] for day in live)


def test_weeks_and_months_are_the_sums_of_their_days(caller: Caller) -> None:
    caller.import_(at(1_793_145_600_000 + n * DAY_MS // 3) for n in range(20))
    span = {"from_": "2026-09-28", "to": "2026-11-09"}

    sums = {
        group_by: sum(
            bucket["total_turns"] for bucket in ask(caller, group_by=group_by, **span)["data"]
        )
        for group_by in ("day", "week", "month")
    }

    assert sums == {"day": 20, "week": 20, "month": 20}


def test_every_environment_has_its_own_usage(tenant: NewCaller) -> None:
    live = tenant()
    test = tenant(of=live.organization, environment=Environment.TEST, scope=Scope.READ_WRITE)
    assert test.record(stateful()).status_code == 201

    assert [sum(day["total_turns"] for day in ask(each)["data"]) for each in (live, test)] == [0, 1]
    assert [ask(each, RELATIONSHIPS)["active_relationships"] for each in (live, test)] == [0, 1]


@pytest.mark.parametrize(
    ("query", "field", "next_step"),
    [
        ({"group_by": "year"}, "group_by", "day, week, month"),
        ({"group_by": "hour"}, "group_by", "day, week, month"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from", "earlier than `to`"),
        ({"from": "2019-12-31", "group_by": "month"}, "from", "where the archive begins"),
        ({"to": "2020-01-01"}, "to", "later than 2020-01-01T00:00:00.000Z"),
        ({"to": "0001-01-01"}, "to", "where the archive begins"),
        ({"to": "0001-01-01T00:00:00+23:59"}, "to", "where the archive begins"),
        ({"from": "0001-01-01T00:00:00+23:59"}, "from", "where the archive begins"),
        ({"from": "9999-12-31T23:59:59.9Z"}, "from", "give another `to`"),
        ({"from": "9999-12-31T23:59:59-23:59"}, "from", "give another `to`"),
        ({"to": "2020-01-02"}, "to", "give `from` too"),
        ({"to": "9999-12-31"}, "to", "366 days from today"),
        ({"to": "9999-12-31T23:59:59-23:59"}, "to", "T00:00:00.000Z"),
        ({"from": "2021-01-01"}, "group_by", "at most 1000"),
        ({"from": "2022-05-04T10:00:00Z", "group_by": "month"}, "from", "midnight in UTC"),
        ({"from": "2022-05-04", "to": "2022-05-05T00:00:01Z"}, "to", "midnight in UTC"),
        ({"user_id": "u_1"}, "user_id", "not a known"),
        ({"limit": "5"}, "limit", "not a known"),
    ],
)
def test_a_query_without_an_answer_is_refused_with_the_next_step(
    caller: Caller, query: dict[str, str], field: str, next_step: str
) -> None:
    answer = caller("GET", TURNS, query_string=query)

    (field_error,) = error_of(answer)["details"]
    assert (answer.status_code, field_error["field"]) == (400, field)
    assert next_step in field_error["message"]


def test_the_refusal_of_a_range_before_the_current_period_names_its_begin(
    caller: Caller,
) -> None:
    answer = caller("GET", TURNS, query_string={"to": "2021-06-01"})

    (field_error,) = error_of(answer)["details"]
    begin = ask(caller)["quota"]["period_start"]
    assert begin in field_error["message"]
    assert field_error["allowed"] == {"after": begin}


def test_a_refused_query_shows_the_quota_too(tenant: NewCaller) -> None:
    caller = tenant("free")

    refused = [
        caller("GET", TURNS, query_string={"group_by": "year"}),
        caller("GET", TURNS, query_string={"to": "2020-01-01"}),
        caller("GET", RELATIONSHIPS, query_string={"from": "2026-11-01"}),
    ]

    for answer in refused:
        shown = {name for name in answer.headers.keys() if name.startswith("X-Quota")}  # noqa: SIM118
        assert (answer.status_code, shown) == (400, QUOTA_HEADERS)
    assert "X-Quota-Turns-Used" not in caller.record({}).headers
    assert "X-Quota-Turns-Used" not in caller.list_(limit=0).headers


def test_relationships_take_no_parameters(caller: Caller) -> None:
    answer = caller("GET", RELATIONSHIPS, query_string={"from": "2026-11-01"})

    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["field"] == "from"


def test_a_range_of_1000_buckets_is_answered_and_a_longer_one_is_refused(
    caller: Caller, clock: Clock
) -> None:
    last_ms = clock.now_ms // DAY_MS * DAY_MS
    span = lambda days: {"from": format_ms(last_ms - days * DAY_MS), "to": format_ms(last_ms)}  # noqa: E731

    assert len(caller("GET", TURNS, query_string=span(1_000)).get_json()["data"]) == 1_000
    assert caller("GET", TURNS, query_string=span(1_001)).status_code == 400
