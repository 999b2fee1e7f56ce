"""`GET /v1/interactions/aggregates` over HTTP: envelope, buckets, filters and refusals."""

import itertools
from typing import Any

import pytest

from app.http.application import provided
from app.http.instants import format_ms
from app.tenancy.model import Environment
from app.usage.archive_pass import ArchivePass
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller, Clock, error_of
from tests.turns import DAY_MS, HOUR_MS, at, body, whole

AGGREGATES = f"{LIST}/aggregates"
EMPTY = {
    "total_turns": 0,
    "turns_consumed": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "by_status": {"completed": 0, "guardrail_blocked": 0, "failed": 0, "timed_out": 0},
    "avg_latency_ms": None,
    "latency_ms": {"p50": None, "p95": None, "p99": None},
    "unique_personalities_count": 0,
    "primary_emotion_distribution": {},
}
Bucket = dict[str, Any]


def ask(caller: Caller, **query: str) -> list[Bucket]:
    answer = caller("GET", AGGREGATES, query_string=_query(query))
    assert answer.status_code == 200, answer.text
    assert set(answer.get_json()) == {"data"}
    buckets: list[Bucket] = answer.get_json()["data"]
    return buckets


def refused(caller: Caller, **query: str) -> dict[str, Any]:
    answer = caller("GET", AGGREGATES, query_string=_query(query))
    assert answer.status_code == 400, answer.text
    error = error_of(answer)
    assert error["code"] == "validation_error"
    (field_error,) = error["details"]
    return dict(field_error)


def _query(query: dict[str, str]) -> dict[str, str]:
    return {name.rstrip("_"): value for name, value in query.items()}


def test_without_turns_there_is_one_empty_bucket(caller: Caller) -> None:
    bounds = {"period_start": None, "period_end": None, "complete": False}
    assert ask(caller) == [EMPTY | bounds]


@pytest.mark.parametrize("is_archived", [False, True])
def test_one_turn_is_every_percentile(caller: Caller, *, is_archived: bool) -> None:
    assert caller.record(body(latency_ms=30_000, user_id="u_1")).status_code == 201
    if is_archived:
        with caller.app.app_context():
            assert provided(ArchivePass).run().turns == 1

    for query in ({}, {"user_id": "u_1"}, {"group_by": "day"}):
        (bucket,) = [each for each in ask(caller, **query) if each["total_turns"]]
        assert bucket["latency_ms"] == dict.fromkeys(("p50", "p95", "p99"), 30_000)


def test_a_bucket_sums_all_of_its_turns(caller: Caller) -> None:
    turns = [
        whole(latency_ms=10, personality_id="pers_ada"),
        whole(latency_ms=20, personality_id="pers_bob", inferred_emotional_state=None),
        body(latency_ms=25, status="failed"),
        body(latency_ms=40, usage={"turns_consumed": 5}),
    ]
    for each in turns:
        assert caller.record(each).status_code == 201

    assert ask(caller) == [
        {
            "period_start": None,
            "period_end": None,
            "total_turns": 4,
            "turns_consumed": 7,
            "input_tokens": 748,
            "output_tokens": 88,
            "complete": False,
            "by_status": {"completed": 3, "guardrail_blocked": 0, "failed": 1, "timed_out": 0},
            "avg_latency_ms": 23.75,
            "latency_ms": {"p50": 20, "p95": 40, "p99": 40},
            "unique_personalities_count": 2,
            "primary_emotion_distribution": {"joy": 1},
        }
    ]


@pytest.mark.parametrize(
    ("group_by", "starts", "complete"),
    [
        ("day", [f"2026-10-{day:02}" for day in range(28, 32)] + ["2026-11-01"], [True] * 5),
        ("week", ["2026-10-26"], [False]),
        ("month", ["2026-10-01", "2026-11-01"], [False, False]),
    ],
)
def test_buckets_are_dense_oldest_first_and_keep_their_bounds(
    caller: Caller, group_by: str, starts: list[str], complete: list[bool]
) -> None:
    caller.import_([at(1_793_145_600_000)])  # 2026-10-28, the first instant

    shown = ask(caller, group_by=group_by, from_="2026-10-28", to="2026-11-02")

    assert [bucket["period_start"] for bucket in shown] == [
        f"{day}T00:00:00.000Z" for day in starts
    ]
    assert [bucket["complete"] for bucket in shown] == complete
    assert all(a["period_end"] == b["period_start"] for a, b in itertools.pairwise(shown))
    assert [bucket["total_turns"] for bucket in shown] == [1] + [0] * (len(shown) - 1)


def test_a_bucket_is_complete_once_its_end_has_passed(caller: Caller, clock: Clock) -> None:
    midnight_ms = (clock.now_ms // DAY_MS + 1) * DAY_MS
    query = {"from_": format_ms(midnight_ms - DAY_MS), "to": format_ms(midnight_ms)}
    complete = lambda: [ask(caller, group_by=g, **query)[0]["complete"] for g in ("day", "week")]  # noqa: E731

    clock.move(ms=midnight_ms - clock.now_ms - 1)
    assert complete()[0] is False
    assert ask(caller, **query)[0]["complete"] is False
    clock.move(ms=1)
    assert complete() == [True, False]
    assert ask(caller, **query)[0]["complete"] is True


def test_personalities_of_several_days_are_counted_once(caller: Caller) -> None:
    names = ["pers_ada", "pers_ada", "pers_bob", "pers_ada"]
    caller.import_(
        at(1_793_145_600_000 + day * DAY_MS, personality_id=name) for day, name in enumerate(names)
    )
    span = {"from_": "2026-10-26", "to": "2026-11-02"}

    days = ask(caller, group_by="day", **span)
    (week,) = ask(caller, group_by="week", **span)

    assert sum(day["unique_personalities_count"] for day in days) == 4
    assert week["unique_personalities_count"] == 2


def test_aggregates_count_the_turns_that_the_list_shows(caller: Caller, clock: Clock) -> None:
    oldest_ms = clock.now_ms - 180 * DAY_MS
    instants = [oldest_ms - 1, oldest_ms, oldest_ms + HOUR_MS, clock.now_ms - 1, clock.now_ms]
    caller.import_(at(instant) for instant in instants)
    ahead = at(clock.now_ms + 299_000)
    assert caller.record(ahead).status_code == 201

    assert ask(caller)[0]["total_turns"] == len(caller.list_all()) == 5
    for group_by in ("day", "week", "month"):
        assert sum(bucket["total_turns"] for bucket in ask(caller, group_by=group_by)) == 5
    assert ask(caller, from_="2020-01-01")[0]["total_turns"] == 5
    assert ask(caller, from_="2020-01-01")[0]["complete"] is False


def test_the_bounds_of_a_range_are_exact(caller: Caller, clock: Clock) -> None:
    noon_ms = clock.now_ms // DAY_MS * DAY_MS - DAY_MS // 2
    caller.import_(at(noon_ms + offset) for offset in (-1, 0, 1))

    for first, last, count in [(0, 1, 1), (-1, 0, 1), (0, DAY_MS, 2), (-DAY_MS, 1, 2)]:
        query = {"from_": format_ms(noon_ms + first), "to": format_ms(noon_ms + last)}
        assert ask(caller, **query)[0]["total_turns"] == count
        assert (
            sum(bucket["total_turns"] for bucket in ask(caller, group_by="day", **query)) == count
        )


def test_filters_are_combined(caller: Caller) -> None:
    for user_id, relationship_id in [("u_1", "r_1"), ("u_1", "r_2"), ("u_2", "r_2")]:
        payload = whole(user_id=user_id, relationship_id=relationship_id)
        assert caller.record(payload).status_code == 201

    count = lambda **query: ask(caller, **query)[0]["total_turns"]  # noqa: E731
    assert count() == 3
    assert count(user_id="u_1") == 2
    assert count(relationship_id="r_2") == 2
    assert count(user_id="u_1", relationship_id="r_2") == 1
    assert count(user_id="u_2", relationship_id="r_1") == 0
    assert ask(caller, user_id="nobody", group_by="month")[-1]["total_turns"] == 0


def test_turns_of_other_accounts_are_not_counted(tenant: NewCaller) -> None:
    mine, other = tenant(), tenant()
    test = tenant(of=mine.organization, environment=Environment.TEST)
    for caller in (mine, other, other, test):
        assert caller.record(body()).status_code == 201

    assert [ask(caller)[0]["total_turns"] for caller in (mine, other, test)] == [1, 2, 1]


def test_aggregates_show_the_rate_limit_and_charge_no_quota(caller: Caller) -> None:
    answer = caller("GET", AGGREGATES)

    assert "X-RateLimit-Limit" in answer.headers
    assert "X-Quota-Turns-Used" not in answer.headers
    assert caller.counters() == {}


@pytest.mark.parametrize(
    ("query", "field", "next_step"),
    [
        ({"group_by": "year"}, "group_by", "day, week, month"),
        ({"group_by": "Day"}, "group_by", "day, week, month"),
        ({"group_by": ""}, "group_by", "leave it out"),
        ({"from_": "2026-11-02", "to": "2026-11-01"}, "from", "earlier than `to`"),
        ({"from_": "2026-11-02", "to": "2026-11-02"}, "from", "earlier than `to`"),
        ({"from_": "2026-11-02T10:00:00"}, "from", "must have a zone"),
        ({"to": "2025-01-01"}, "to", "/v1/usage/turns reaches further"),
        ({"to": "0001-01-01T00:00:00+23:59"}, "to", "/v1/usage/turns reaches further"),
        ({"from_": "9999-12-31T23:59:59-23:59"}, "from", "give another `to`"),
        ({"to": "9999-12-31T23:59:59-23:59"}, "to", "366 days from today"),
        ({"to": "9999-12-31"}, "to", "not be later than"),
        ({"from_": "9999-12-31"}, "from", "give another `to`"),
        ({"limit": "20"}, "limit", "not a known"),
        ({"cursor": "abc"}, "cursor", "not a known"),
        ({"groupby": "day"}, "groupby", "not a known"),
        ({"user_id": "two words"}, "user_id", "must match"),
    ],
)
def test_a_query_without_an_answer_is_refused_with_the_next_step(
    caller: Caller, query: dict[str, str], field: str, next_step: str
) -> None:
    field_error = refused(caller, **query)

    assert field_error["field"] == field
    assert next_step in field_error["message"]


def test_the_earliest_instant_is_a_valid_beginning(caller: Caller) -> None:
    assert caller.record(body()).status_code == 201
    assert ask(caller, from_="0001-01-01T00:00:00+23:59")[0]["total_turns"] == 1


def test_a_repeated_parameter_is_refused(caller: Caller) -> None:
    answer = caller("GET", f"{AGGREGATES}?group_by=day&group_by=week")

    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["code"] == "repeated"
