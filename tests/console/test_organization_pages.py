"""The list of organizations, the page of one, and changes by their forms."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from pymongo.errors import NetworkTimeout

from app import create_app
from app.backends.backend import Backend
from app.backends.redis_clients import redis_client
from app.http.application import provided
from app.interactions.store import InteractionStore
from app.schema import ensure_schema
from app.tenancy.model import Environment
from app.tenancy.service import Organizations
from app.tenancy.store import TenancyStore
from app.usage.store import UsageStore
from tests.background import without_background
from tests.callers import Caller, new_caller
from tests.console.loads import load
from tests.console.operator import Operator, log_in
from tests.console.organization_paths import LIST, path_of, text_of
from tests.servers import settings_for
from tests.turns import body, stateful

NOWHERE = "redis://127.0.0.1:1/0"


class Unavailable:
    """Stands in for a collection whose server does not answer."""

    def __getattr__(self, name: str) -> Any:
        raise NetworkTimeout("frozen")


@pytest.fixture
def caller(memory_app: Flask) -> Caller:
    return new_caller(memory_app, "pro", turns=1_000)


def test_pages_show_the_numbers_of_their_twins(app: Flask, operator: Operator) -> None:
    caller = new_caller(app, "pro", turns=1_000)
    load(caller, 3)
    data = operator.data(f"{path_of(caller)}.json")
    shown = text_of(operator.page(path_of(caller)))

    turns = data["quota"]["components"][0]
    assert f"{turns['used']:,} used {turns['held']:,} held {turns['left']:,} left of 1,000" in shown
    assert f"{data['usage']['totals']['turns']:,} in 30 days" in shown
    for each in data["usage"]["models"]["names"]:
        assert f"{each['name']} {each['turns']:,}" in shown
    for each in data["turns"]["turns"]:
        assert each["interaction_id"] in shown
    assert "rel_" not in shown
    assert "u_42" not in shown


def test_the_list_filters_orders_and_pages(memory_app: Flask, own_operator: Operator) -> None:
    used, quiet = new_caller(memory_app, "free"), new_caller(memory_app, "pro")
    assert used.record(body()).status_code == 201

    by_share = own_operator.data(f"{LIST}.json")
    pro = own_operator.data(f"{LIST}.json?q=PRO&order=name")
    nobody = text_of(own_operator.page(f"{LIST}?q=nightly"))
    beyond = text_of(own_operator.page(f"{LIST}?page=7"))

    ids = [each["id"] for each in by_share["organizations"]]
    assert ids == [used.organization.id, quiet.organization.id]
    assert by_share["organizations"][1]["use"] is None
    assert [each["id"] for each in pro["organizations"]] == [quiet.organization.id]
    assert (pro["found"], pro["all"]) == (1, 2)
    assert "No organization matches “nightly”. Clear the filter to see all 2." in nobody
    assert "There is no page 7." in beyond


def test_a_long_list_has_pages_of_50(memory_app: Flask, own_operator: Operator) -> None:
    with memory_app.app_context():
        for number in range(120):
            provided(Organizations).create(f"Acme {number:03}", "free")

    pages = [own_operator.data(f"{LIST}.json?order=name&page={number}") for number in (1, 2, 3)]

    names = [each["name"] for page in pages for each in page["organizations"]]
    assert names == [f"Acme {number:03}" for number in range(120)]
    assert [len(page["organizations"]) for page in pages] == [50, 50, 20]
    shown = own_operator.page(f"{LIST}?order=name&page=2")
    assert f'href="{LIST}?order=name&amp;page=1" rel="prev"' in shown
    assert f'href="{LIST}?order=name&amp;page=3" rel="next"' in shown


def test_no_organization_has_the_next_step(own_operator: Operator) -> None:
    shown = text_of(own_operator.page(LIST))
    assert "No organization yet. Create the first one: flask org create NAME --plan pro" in shown


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("environment=prod", "must be one of live, test"),
        ("order=age", "must be one of share, name"),
        ("page=0", "must be a whole number from 1 on"),
        ("page=two", "must be a whole number from 1 on"),
    ],
)
def test_a_bad_choice_is_400(own_operator: Operator, query: str, message: str) -> None:
    answer = own_operator.get(f"{LIST}?{query}")
    assert (answer.status_code, message in text_of(answer.text)) == (400, True)


def test_an_unknown_organization_is_404(own_operator: Operator) -> None:
    for path in (f"{LIST}/org_absent", f"{LIST}/org_absent/change"):
        answer = own_operator.get(path)
        assert (answer.status_code, "no organization" in text_of(answer.text)) == (404, True)


def test_a_faulty_organization_has_its_reason(caller: Caller, own_operator: Operator) -> None:
    with caller.app.app_context():
        rows = provided(Backend).database["organizations"]
        rows.update_one({"_id": caller.organization.id}, {"$set": {"plan": "gold"}})

    shown, listed = (text_of(own_operator.page(path)) for path in (path_of(caller), LIST))

    assert "This organization cannot be served." in shown
    assert f"flask org set-plan {caller.organization.id}" in shown
    assert "at fault" in listed


def test_test_is_another_environment(memory_app: Flask, own_operator: Operator) -> None:
    live = new_caller(memory_app, "pro")
    test = new_caller(memory_app, of=live.organization, environment=Environment.TEST)
    assert test.record(stateful()).status_code == 201

    shown = {
        name: own_operator.data(f"{path_of(live)}.json?environment={name}")
        for name in ("live", "test")
    }

    used = {name: data["quota"]["components"][0]["used"] for name, data in shown.items()}
    assert used == {"live": 0, "test": 1}
    assert (len(shown["live"]["turns"]["turns"]), len(shown["test"]["turns"]["turns"])) == (0, 1)
    assert "No turns in live yet." in text_of(own_operator.page(path_of(live)))


def test_last_use_of_a_key_is_shown(caller: Caller, own_operator: Operator) -> None:
    assert "never" in text_of(own_operator.page(path_of(caller)))
    key = own_operator.data(f"{path_of(caller)}.json")["keys"]["keys"][0]
    of_api = caller("GET", f"/v1/api-keys/{key['id']}").get_json()
    assert {name: key[name] for name in of_api if name != "last_used_at"} == {
        name: value for name, value in of_api.items() if name != "last_used_at"
    }


@pytest.fixture
def without_redis(memory_backend: Backend) -> Iterator[Caller]:
    """A caller of an application whose Redis cannot be reached."""
    gone = redis_client(NOWHERE, 50, 32)
    backend = dataclasses.replace(memory_backend, redis=gone, maintenance_redis=gone)
    app = without_background(create_app(settings_for(web_concurrency=1), backend))
    app.testing = True
    with app.app_context():
        ensure_schema()
    yield new_caller(app, "pro")
    gone.close()


def test_without_redis_the_rest_is_shown(without_redis: Caller) -> None:
    operator = log_in(without_redis.app)
    assert without_redis.record(body()).status_code == 201

    listed, data = operator.data(f"{LIST}.json"), operator.data(f"{path_of(without_redis)}.json")
    shown = text_of(operator.page(path_of(without_redis)))

    assert [listed["is_redis_available"], listed["all"]] == [False, 1]
    assert "Redis is unavailable" in text_of(operator.page(LIST))
    missing = [name for name in ("quota", "now", "refusals") if data[name]["unavailable"]]
    assert missing == ["quota", "now", "refusals"]
    assert data["usage"]["totals"]["turns"] == len(data["turns"]["turns"]) == 1
    assert "The quota cannot be shown: Redis is unavailable." in shown


def test_without_mongodb_the_page_says_so(
    caller: Caller, own_operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = Unavailable()
    with caller.app.app_context():
        store = provided(TenancyStore)
    monkeypatch.setattr(store, "_organizations", down)

    answer = own_operator.get(path_of(caller))

    assert answer.status_code == 200
    assert "MongoDB is unavailable" in text_of(answer.text)
    assert "This organization cannot be shown now." in text_of(answer.text)


def test_without_turns_of_mongodb_the_quota_is_shown(
    caller: Caller, own_operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert caller.record(body()).status_code == 201
    down = Unavailable()
    with caller.app.app_context():
        monkeypatch.setattr(provided(InteractionStore), "_rows", down)
        monkeypatch.setattr(provided(UsageStore), "_rows", down)

    data = own_operator.data(f"{path_of(caller)}.json")

    assert data["quota"]["components"][0]["used"] == 1
    assert (data["usage"]["unavailable"]["store"], data["turns"]["unavailable"]["store"]) == (
        "MongoDB",
        "MongoDB",
    )
    assert own_operator.page(path_of(caller)).count("This part cannot be shown") == 2


def test_nothing_of_a_page_leads_out_or_has_a_style(caller: Caller, own_operator: Operator) -> None:
    for path in (LIST, path_of(caller), f"{path_of(caller)}/change?turns=5"):
        answer = own_operator.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "style=" not in answer.text
        assert "<script" not in answer.text
        assert not re.search(r'(?:href|src|action)="(?!/|#)', answer.text)
