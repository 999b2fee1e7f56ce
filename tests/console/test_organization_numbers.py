"""The numbers of the organization page are those of the API and of the commands."""

import json
from typing import Any

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.console.organization_data import OrganizationData
from app.console.organizations_data import organizations_data
from app.console.usage_data import Span
from app.http.application import provided
from app.tenancy.model import Environment
from app.usage.archive_pass import ArchivePass
from app.watch.accounts import Order
from tests.background import flush_background
from tests.callers import LIST, Caller, new_caller
from tests.console.loads import load
from tests.turns import body

pytestmark = pytest.mark.slow  # seconds of work

Data = dict[str, Any]
SEEDS = [1, 2]


@pytest.fixture(params=SEEDS)
def loaded(app: Flask, request: pytest.FixtureRequest) -> Caller:
    """An account after a random load, of which a part is archived."""
    caller = new_caller(app, turns=1_000, active_relationships=50)
    load(caller, request.param)
    if request.param % 2:
        with app.app_context():
            provided(ArchivePass).run()
    return caller


def page_of(caller: Caller, span: Span = Span.DAYS_30) -> Data:
    with caller.app.app_context():
        return OrganizationData(caller.organization, caller.environment).page(span)


def api(caller: Caller, path: str, **query: str) -> Any:
    answer = caller(
        "GET", path, query_string={name.rstrip("_"): each for name, each in query.items()}
    )
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def command(app: Flask, *words: str) -> Any:
    result = app.test_cli_runner().invoke(args=[*words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_days_and_sums_are_those_of_the_api(loaded: Caller) -> None:
    for span in Span:
        _assert_days_and_sums(loaded, span)


def _assert_days_and_sums(loaded: Caller, span: Span) -> None:
    usage = page_of(loaded, span)["usage"]
    asked = {"from_": usage["from"], "to": usage["to"]}
    by_day = api(loaded, f"{LIST}/aggregates", **asked, group_by="day")["data"]
    (total,) = api(loaded, f"{LIST}/aggregates", **asked, breakdown="model")["data"]
    (people,) = api(loaded, f"{LIST}/aggregates", **asked, breakdown="personality")["data"]

    assert usage["unavailable"] is None
    assert [numbers(day) for day in usage["days"]] == [numbers_of_api(each) for each in by_day]
    assert [day["day"] for day in usage["days"]] == [each["period_start"][:10] for each in by_day]
    assert [day["is_so_far"] for day in usage["days"]] == [False] * (len(by_day) - 1) + [True]
    assert numbers(usage["totals"]) == numbers_of_api(total)
    assert {each["name"]: each["turns"] for each in usage["statuses"]["names"]} == total[
        "by_status"
    ]
    emotions = {each["name"]: each["turns"] for each in usage["emotions"]["names"]}
    assert emotions == total["primary_emotion_distribution"]
    for shown, answered in ((usage["models"], total), (usage["personalities"], people)):
        assert shown["total"] == answered["total_turns"]
        assert [(each["name"], each["turns"], each["input_tokens"]) for each in shown["names"]] == [
            (each["key"], each["total_turns"], each["input_tokens"])
            for each in answered["breakdown"]
        ]


def numbers(shown: Data) -> list[Any]:
    names = ("turns", "turns_consumed", "completed", "guardrail_blocked", "failed", "timed_out")
    return [shown[name] for name in (*names, "input_tokens", "output_tokens", "p50_ms", "p95_ms")]


def numbers_of_api(item: Data) -> list[Any]:
    by_status = [
        item["by_status"][name]
        for name in ("completed", "guardrail_blocked", "failed", "timed_out")
    ]
    counts = [item["total_turns"], item["turns_consumed"], *by_status]
    percentiles = [item["latency_ms"]["p50"], item["latency_ms"]["p95"]]
    return [*counts, item["input_tokens"], item["output_tokens"], *percentiles]


def test_the_quota_is_that_of_the_api_and_of_the_command(loaded: Caller) -> None:
    turns, relationships, uncharged = page_of(loaded)["quota"]["components"]
    quota = api(loaded, "/v1/usage/turns")["quota"]
    people = api(loaded, "/v1/usage/active-relationships")
    shown = command(loaded.app, "quota", "show", loaded.organization.id)

    assert turns["used"] == quota["turns_used"] == shown["turns_used"] > 0
    assert turns["held"] == quota["turns_reserved"] == shown["turns_reserved"] > 0
    assert (turns["limit"], turns["left"]) == (quota["turns_limit"], quota["turns_remaining"])
    assert (
        relationships["used"]
        == people["active_relationships"]
        == shown["active_relationships_used"]
    )
    assert (relationships["limit"], relationships["left"]) == (people["limit"], people["remaining"])
    assert uncharged["used"] == quota["uncharged_turns_used"] == shown["uncharged_turns_used"]
    assert uncharged["limit"] == quota["uncharged_turns_limit"]


def test_the_list_has_the_shares_of_the_command(app: Flask, loaded: Caller) -> None:
    for seed, limit in ((7, 400), (8, 60)):
        load(new_caller(app, turns=limit), seed)
    new_caller(app)

    with app.app_context():
        shown = organizations_data(Environment.LIVE, "", Order.SHARE, 1)
    top = command(app, "quota", "top", "--environment", "live")["accounts"]

    assert (shown["found"], shown["all"], shown["pages"]) == (4, 4, 1)
    used = [each for each in shown["organizations"] if each["use"]]
    assert [each["id"] for each in used] == [each["organization"] for each in top]
    for each, of_command in zip(used, top, strict=True):
        use, expected = each["use"], of_command["uses"][0]
        assert use["component"] == expected["component"]
        assert use["used"] + use["held"] == expected["used"]
        assert (use["limit"], use["per_mille"] / 10) == (expected["limit"], expected["percent"])


def test_last_turns_name_nobody(loaded: Caller) -> None:
    shown = page_of(loaded)["turns"]["turns"]
    listed = loaded.page(limit="10")["data"]

    assert [each["interaction_id"] for each in shown] == [each["interaction_id"] for each in listed]
    for each, item in zip(shown, listed, strict=True):
        assert {name: each[name] for name in ("status", "mode", "latency_ms", "created_at")} == {
            name: item[name] for name in ("status", "mode", "latency_ms", "created_at")
        }
        assert each["model"] == item["usage"]["llm_model"]
    assert not any(text in json.dumps(shown) for text in ("rel_", "u_42"))


def test_refusals_are_those_that_clients_got(app: Flask) -> None:
    caller = new_caller(app, requests_per_second=1, burst=8, turns=0)
    refused = [caller.record(body()).status_code for _ in range(12)]
    flush_background(app)

    shown = page_of(caller)

    refusals = shown["refusals"]
    assert refusals["rate_limited"] + refusals["quota_exhausted"] == refused.count(429)
    assert refusals["days"][-1]["quota_exhausted"] == refusals["quota_exhausted"] >= 8
    assert set(refusals["days"][:-1]) == {None}
    assert shown["now"]["refused"] == refused.count(429)
    assert len(refusals["days"]) == len(shown["usage"]["days"])


def test_looking_charges_and_seeds_nothing(app: Flask, loaded: Caller) -> None:
    quiet = new_caller(app)
    before = loaded.counters()

    shown, unused = page_of(loaded), page_of(quiet)

    assert loaded.counters() == before
    assert quiet.counters() == {}
    assert unused["quota"]["is_loaded"]
    assert [each["used"] for each in unused["quota"]["components"]] == [0, 0, 0]
    assert unused["now"]["bucket"]["tokens"] == quiet.organization.limits.burst
    assert shown["now"]["bucket"]["burst"] == loaded.organization.limits.burst


def test_lost_counters_are_not_shown_as_0(app: Flask, loaded: Caller) -> None:
    with app.app_context():
        provided(Backend).redis.flushall()
    quota = page_of(loaded)["quota"]
    assert quota == {"unavailable": None, "is_loaded": False}
