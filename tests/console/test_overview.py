"""The overview: its numbers are those of the API, of the commands and of what was written."""

import json
import re
from collections import Counter
from typing import Any

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import format_ms
from app.http.problems import CODES
from app.minutes.model import Outcome, Refusal
from tests.background import flush_background
from tests.callers import Caller, new_caller, reserve
from tests.console.conftest import NewCaller
from tests.console.operator import Operator
from tests.console.traffic import write_minutes
from tests.turns import body, reservation

pytestmark = pytest.mark.slow  # seconds of work

OUTCOMES = [outcome.value for outcome in Outcome]


def command(app: Flask, *words: str) -> Any:
    """Return what a command prints as JSON."""
    typed = app.test_cli_runner().invoke(args=[*words, "--json"])
    assert typed.exit_code == 0, typed.output
    return json.loads(typed.stdout)


def text_of(page: str) -> str:
    """Return the text of a page in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def numbers(row: dict[str, Any]) -> Counter[str]:
    return Counter({name: row[name] for name in OUTCOMES})


@pytest.mark.parametrize(
    ("range_name", "steps_count", "step_s"), [("1h", 60, 60), ("24h", 96, 900)]
)
def test_steps_have_the_counts_of_their_minutes(
    app: Flask, operator: Operator, range_name: str, steps_count: int, step_s: int
) -> None:
    written = write_minutes(app, 90, seed=steps_count, gaps=frozenset({3, 4, 17}))
    traffic = operator.data(f"/console.json?range={range_name}")["traffic"]

    assert len(traffic["steps"]) == steps_count
    first_s = max(written) - max(written) % step_s - (steps_count - 1) * step_s
    for index, row in enumerate(traffic["steps"]):
        begin_s = first_s + index * step_s
        minutes = [counts for at, counts in written.items() if begin_s <= at < begin_s + step_s]
        assert row["at"] == format_ms(begin_s * 1_000)
        assert row["recorded_minutes"] == len(minutes)
        if not minutes:
            assert {row[name] for name in (*OUTCOMES, "requests", "p50_ms")} == {None}
        else:
            assert numbers(row) == sum(minutes, Counter(dict.fromkeys(OUTCOMES, 0)))
            assert row["requests"] == numbers(row).total()
    in_range = [counts for at, counts in written.items() if at >= first_s]
    assert traffic["total"]["requests"] == sum(each.total() for each in in_range)


def test_the_seven_days_end_with_the_hour_that_is_not_over(
    memory_app: Flask, own_operator: Operator
) -> None:
    """Leave out nine of ten minutes, but none of the first and the last hours."""
    minutes_count = 7 * 1_440 - 60
    gaps = frozenset(back for back in range(120, minutes_count - 120) if back % 10)
    written = write_minutes(memory_app, minutes_count, seed=7, gaps=gaps)
    traffic = own_operator.data("/console.json?range=7d")["traffic"]

    assert len(traffic["steps"]) == 168
    assert traffic["total"]["requests"] == sum(each.total() for each in written.values())
    last = traffic["steps"][-1]
    assert last["is_over"] is (last["minutes"] == 60)
    assert all(row["is_over"] for row in traffic["steps"][:-1])


def test_the_page_shows_the_numbers_of_its_twin(app: Flask, operator: Operator) -> None:
    write_minutes(app, 60, seed=1, gaps=frozenset({9}))
    data, page = operator.data("/console.json"), operator.page("/console")
    rows = re.findall(
        r'<tr><th scope="row">(\d\d:\d\d)</th>((?:<td class="num">[^<]*</td>)+)', page
    )

    assert len(rows) == 60
    for (at, cells), row in zip(rows, reversed(data["traffic"]["steps"]), strict=True):
        shown = re.findall(r">([^<]*)</td>", cells)
        expected = [row[name] for name in ("requests", *OUTCOMES)]
        expected = [expected[index] for index in (0, 1, 4, 2, 3, 5)]
        assert at == row["at"][11:16]
        assert shown[:6] == ["–" if value is None else f"{value:,}" for value in expected]
    total = data["traffic"]["total"]
    assert f"{total['requests']:,} requests in the last hour" in text_of(page)
    assert page.count('class="hit"') == 60
    assert "No data for 1 minute: no web process reported them" in text_of(page)


def test_requests_are_counted_and_pages_of_the_console_are_not(
    app: Flask, operator: Operator, tenant: NewCaller
) -> None:
    caller = tenant()
    for _ in range(3):
        caller.record(body())
    caller("GET", "/v1/none-such")
    operator.page("/console")
    flush_background(app)
    with app.app_context():
        redis = provided(Backend).redis
        hashes = [redis.hgetall(key) for key in redis.keys("minutes:*") if "refused" not in key]
    assert sum(int(each.get("admitted", 0)) for each in hashes) == 3
    assert sum(int(each.get("client_error", 0)) for each in hashes) == 1


def test_accounts_near_a_ceiling_are_those_of_the_api_and_of_the_command(
    app: Flask, operator: Operator, tenant: NewCaller
) -> None:
    callers = [tenant("free", turns=10), tenant("free", turns=4), tenant("free", turns=100)]
    for caller, turns in zip(callers, (7, 4, 5), strict=True):
        for _ in range(turns):
            assert caller.record(body()).status_code == 201
    assert reserve(callers[0], reservation()).status_code == 201

    near = operator.data("/console.json?over=80")["near"]
    rows = near["accounts"]
    assert [row["organization_id"] for row in rows] == [
        caller.organization.id for caller in (callers[1], callers[0])
    ]
    assert [(row["used"], row["held"], row["limit"], row["left"]) for row in rows] == [
        (4, 0, 4, 0),
        (7, 1, 10, 2),
    ]
    assert (near["found"], near["refused"], near["compared"]) == (2, 1, 3)
    typed = command(app, "quota", "top", "--over", "80%")
    assert [each["organization"] for each in typed["accounts"]] == [
        row["organization_id"] for row in rows
    ]
    for caller, row in zip((callers[1], callers[0]), rows, strict=True):
        usage = caller("GET", "/v1/usage/turns").get_json()
        assert row["taken"] == typed["accounts"][rows.index(row)]["uses"][0]["used"]
        assert row["resets_at"] == usage["period_end"] if "period_end" in usage else True
    page = text_of(operator.page("/console"))
    assert "2 accounts are at or above 80 % of a ceiling, 1 of them refused." in page
    assert "80.0 %" in page
    assert "flask quota top --over 80%" in page


def test_a_limited_organization_is_shown_with_its_cause(
    app: Flask, operator: Operator, tenant: NewCaller
) -> None:
    caller = tenant("free", turns=1)
    for _ in range(4):
        caller.record(body())
    flush_background(app)

    (row,) = operator.data("/console.json")["limited"]["organizations"]
    typed = command(app, "limits", "top")["organizations"]
    assert row["organization_id"] == caller.organization.id
    assert row["causes"] == [{"cause": "turns", "refused": 3}]
    assert (row["refused"], row["is_by_rate"]) == (3, False)
    assert [row["refused"]] == [each["refused"] for each in typed if each["refused"]]
    page = text_of(operator.page("/console"))
    assert "1 organization was limited in the last 5 minutes." in page
    assert "quota_exhausted turns 3" in page


def test_refusals_of_the_last_hour_are_shown_by_minute(
    memory_app: Flask, own_operator: Operator
) -> None:
    caller = new_caller(memory_app)
    write_minutes(memory_app, 5, seed=2, refused=Refusal(caller.organization.id, "rate"))
    (row,) = own_operator.data("/console.json")["limited"]["organizations"]
    assert row["last_hour"] == [0] * 55 + [1] * 5
    assert row["is_by_rate"]


def test_the_checks_are_those_of_the_doctor(app: Flask, operator: Operator) -> None:
    findings = operator.data("/console.json")["health"]["findings"]
    typed = app.test_cli_runner().invoke(args=["doctor", "--json"])
    found = json.loads(typed.stdout)
    found = found if isinstance(found, list) else found["findings"]
    assert [each["check"] for each in findings] == [each["check"] for each in found]
    assert "flask doctor" in operator.page("/console")


def test_the_latest_changes_are_those_of_the_trail(
    app: Flask, operator: Operator, tenant: NewCaller
) -> None:
    caller = tenant()
    entries = operator.data("/console.json")["changes"]["entries"]
    typed = command(app, "audit", "list", "--limit", "5")
    assert [(each["at"], each["action"]) for each in entries] == [
        (each["at"], each["action"]) for each in typed
    ]
    assert {each["organization"]["name"] for each in entries} == {caller.organization.name}


def test_empty_parts_say_what_to_do(app: Flask, operator: Operator) -> None:
    page = text_of(operator.page("/console"))
    for words in (
        "Nobody is at or above 80 %. No account has counters in this billing period.",
        "Nobody was limited in the last 5 minutes. Of the last hour 0 of 60 minutes are known.",
        "No web process reported a minute in the last hour.",
        "No change yet.",
    ):
        assert words in page


def test_looking_writes_nothing_and_charges_nothing(
    app: Flask, operator: Operator, tenant: NewCaller
) -> None:
    caller = tenant("free", turns=10)
    caller.record(body())
    before = stored(app)
    for path in ("/console", "/console.json", "/console?range=7d&over=50", "/console?refresh=30"):
        assert operator.get(path).status_code == 200
    flush_background(app)
    for name, value in stored(app).items():
        assert before.get(name) == value, name


def stored(app: Flask) -> dict[str, Any]:
    """Return all that both stores hold, but for buckets of addresses and what health leaves.

    These are the minutes and days, which show that this process was there, and the probe of Redis.
    """
    with app.app_context():
        backend = provided(Backend)
        redis, database = backend.redis, backend.database
        found: dict[str, Any] = {
            name: list(database[name].find().sort("_id", 1))
            for name in database.list_collection_names()
        }
        for key in redis.keys("*"):
            if "ip:" not in key and not key.startswith(("minutes:", "refused:", "probe:")):
                kind = redis.type(key)
                found[key] = redis.hgetall(key) if kind == "hash" else kind
        return found


def test_refreshing_is_opted_in(own_operator: Operator) -> None:
    assert "Refresh" not in own_operator.get("/console").headers
    answer = own_operator.get("/console?refresh=30&range=24h")
    assert answer.headers["Refresh"] == "30"
    assert 'href="/console?range=24h">Stop refreshing' in answer.text
    assert 'href="/console.json?range=24h">JSON' in answer.text


@pytest.mark.parametrize(
    ("query", "wrong"),
    [("range=2h", "range"), ("over=81", "over"), ("x=1", "x"), ("refresh=1", "refresh")],
)
def test_a_wrong_query_is_a_page_that_names_it(
    own_operator: Operator, query: str, wrong: str
) -> None:
    answer = own_operator.get(f"/console?{query}")
    assert (answer.status_code, answer.mimetype) == (CODES["validation_error"].status, "text/html")
    assert f"<code>{wrong}</code>" in answer.text
    twin = own_operator.get(f"/console.json?{query}")
    assert twin.get_json()["error"]["details"][0]["field"] == wrong


def test_no_page_names_a_user_or_relationship(
    app: Flask, operator: Operator, tenant: NewCaller
) -> None:
    caller: Caller = tenant("free", turns=1)
    caller.record(body(mode="stateful", user_id="u_secret", relationship_id="rel_secret"))
    for path in ("/console", "/console.json"):
        assert "secret" not in operator.get(path).text


def test_every_page_is_strict(own_operator: Operator) -> None:
    answer = own_operator.get("/console")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "script-src" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    for forbidden in ("style=", "<script", "<style", "http://", "https://"):
        assert forbidden not in answer.text
    assert '<meta name="robots" content="noindex">' in answer.text
