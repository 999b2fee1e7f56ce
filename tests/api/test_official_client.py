"""The official client, unmodified, against a running service: synchronous and asynchronous."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import uniqos
from flask import Flask

from app.tenancy.model import Scope
from tests.callers import LIST, Caller, log_lines, new_caller
from tests.servers import RunningService
from tests.turns import DAY_MS, Body, at, body, now_ms, stateful

Common = tuple[RunningService, Flask]
FORGED = "uniq_live_" + "a" * 46


class Official:
    """One of the two clients behind one interface; each call makes a new one."""

    def __init__(self, kind: type[Any], service: RunningService) -> None:
        self.kind = kind
        self.service = service

    def __call__(self, token: str, ask: Callable[[Any], Any], **options: Any) -> Any:
        """Return the answer of `ask(client)`, or raise the client's exception."""
        options = {"base_url": self.service.base_url, "max_retries": 0} | options
        if self.kind is uniqos.UniqOS:
            with uniqos.UniqOS(token, **options) as client:
                return ask(client)
        return asyncio.run(self._await(token, ask, options))

    async def _await(self, token: str, ask: Callable[[Any], Any], options: Any) -> Any:
        async with uniqos.AsyncUniqOS(token, **options) as client:
            answer = ask(client)
            return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture(params=[uniqos.UniqOS, uniqos.AsyncUniqOS], ids=["sync", "async"])
def official_and_app(
    request: pytest.FixtureRequest, common_service: Common
) -> tuple[Official, Flask]:
    """The client under test, and an application on the stores of its service."""
    service, app = common_service
    return Official(request.param, service), app


def post(payload: Body) -> Callable[[Any], Any]:
    """Record through the client's own transport, because it has no method that records."""
    return lambda client: client.interactions._call("POST", LIST, body=payload)


def test_the_client_is_the_published_one() -> None:
    assert uniqos.__version__ == "0.6.0"


def test_turns_are_recorded_listed_and_read(official_and_app: tuple[Official, Flask]) -> None:
    official, app = official_and_app
    token = new_caller(app).token
    turn = stateful("rel_7", "u_7")
    made = official(token, post(turn))
    official(token, post(body()))

    page = official(token, lambda client: client.interactions.list({"user_id": "u_7"}))
    item = official(token, lambda client: client.interactions.get(made["interaction_id"]))
    query = {"turn_id": turn["turn_id"], "status": "completed", "mode": "stateful"}
    found = official(token, lambda client: client.interactions.list(query))

    assert found == page
    assert page == {"data": [made], "next_cursor": None}
    assert item == made
    assert official(token, lambda client: client.interactions.list())["data"][-1] == made


def test_a_listing_shows_every_turn_once_newest_first(
    official_and_app: tuple[Official, Flask],
) -> None:
    official, app = official_and_app
    caller = new_caller(app)
    start_ms = now_ms() - 3_600_000
    caller.import_(at(start_ms + number // 3) for number in range(60))
    shown: list[Body] = []
    query: dict[str, Any] = {"limit": 7}

    for _ in range(20):
        page = official(caller.token, lambda client: client.interactions.list(query))
        shown += page["data"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    ids = [item["interaction_id"] for item in shown]
    assert len(set(ids)) == 60
    assert ids == sorted(ids, reverse=True)


def test_me_and_plans_are_returned(official_and_app: tuple[Official, Flask]) -> None:
    official, app = official_and_app
    caller = new_caller(app, "pro")

    me = official(caller.token, lambda client: client.me.get())
    plans = official(caller.token, lambda client: client.billing.plans.list())

    assert me["organization"] == {"id": caller.organization.id, "name": "Acme", "plan": "pro"}
    assert (me["environment"], me["scopes"]) == ("live", ["read", "read_write", "admin"])
    assert [plan["plan"] for plan in plans["data"]] == ["free", "pro", "scale", "enterprise"]


def test_aggregates_are_returned_by_bucket_and_in_total(
    official_and_app: tuple[Official, Flask],
) -> None:
    official, app = official_and_app
    caller = new_caller(app)
    caller.import_(at(now_ms() - number * DAY_MS) for number in range(3))
    caller.import_([at(now_ms() - 1, user_id="u_7")])
    aggregates = lambda query=None: official(  # noqa: E731
        caller.token, lambda client: client.interactions.aggregates(query)
    )["data"]

    (total,) = aggregates()
    days = aggregates({"group_by": "day"})

    assert (total["period_start"], total["total_turns"]) == (None, 4)
    assert 181 <= len(days) <= 182
    assert sum(day["total_turns"] for day in days) == 4
    assert aggregates({"user_id": "u_7"})[0]["total_turns"] == 1
    with pytest.raises(uniqos.ValidationError, match="day, week, month"):
        aggregates({"group_by": "year"})


def test_usage_is_returned_with_its_quota(official_and_app: tuple[Official, Flask]) -> None:
    official, app = official_and_app
    caller = new_caller(app, "free", requests_per_second=100, burst=100)
    official(caller.token, post(stateful("rel_7")))
    official(caller.token, post(body()))

    usage = official(caller.token, lambda client: client.billing.usage.turns())
    months = official(
        caller.token, lambda client: client.billing.usage.turns({"group_by": "month"})
    )
    relationships = official(
        caller.token, lambda client: client.billing.usage.active_relationships()
    )

    assert sum(day["total_turns"] for day in usage["data"]) == 2
    assert sum(month["turns_consumed"] for month in months["data"]) == 2
    assert usage["quota"]["turns_remaining"] == 998
    assert usage["quota"]["uncharged_turns_limit"] == 1_000
    assert (relationships["active_relationships"], relationships["remaining"]) == (1, 24)


def test_keys_are_made_once_listed_read_and_revoked(
    official_and_app: tuple[Official, Flask],
) -> None:
    official, app = official_and_app
    token = new_caller(app).token
    create = lambda client: client.api_keys.create(  # noqa: E731
        {"scope": "read"}, idempotency_key="retry-1"
    )

    made, again = official(token, create), official(token, create)
    other = official(token, lambda client: client.api_keys.create({"scope": "read"}))

    assert made == again
    assert made["id"] != other["id"]
    listed = official(token, lambda client: client.api_keys.list())["data"]
    assert {made["id"], other["id"]} < {key["id"] for key in listed}
    assert official(token, lambda client: client.api_keys.get(made["id"]))["scope"] == "read"
    assert official(made["key"], lambda client: client.interactions.list())["data"] == []
    assert official(token, lambda client: client.api_keys.revoke(other["id"])) is None
    with pytest.raises(uniqos.AuthenticationError):
        official(other["key"], lambda client: client.me.get())


def test_every_refusal_is_the_clients_own_error_class(
    official_and_app: tuple[Official, Flask],
) -> None:
    official, app = official_and_app
    admin = new_caller(app)
    reader = new_caller(app, scope=Scope.READ, of=admin.organization)
    payload = body()
    official(admin.token, post(payload))
    expected: list[tuple[type[uniqos.UniqOSError], str, str, Callable[[Any], Any]]] = [
        (uniqos.AuthenticationError, "invalid_token", FORGED, lambda client: client.me.get()),
        (uniqos.PermissionError, "permission_denied", reader.token, post(body())),
        (
            *(uniqos.NotFoundError, "not_found", reader.token),
            lambda client: client.interactions.get("int_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ),
        (
            *(uniqos.ValidationError, "validation_error", reader.token),
            lambda client: client.interactions.list({"limit": 101}),
        ),
        (
            *(uniqos.ValidationError, "invalid_cursor", reader.token),
            lambda client: client.interactions.list({"cursor": "abc"}),
        ),
        (uniqos.ConflictError, "conflict", admin.token, post(payload | {"latency_ms": 1})),
    ]

    for kind, code, token, ask in expected:
        with pytest.raises(kind) as refused:
            official(token, ask)
        assert type(refused.value) is kind
        assert refused.value.code == code
        assert len(refused.value.request_id or "") == 26
        assert refused.value.message


def test_the_client_retries_after_the_wait_of_a_rate_limit(
    official_and_app: tuple[Official, Flask],
) -> None:
    official, app = official_and_app
    caller = new_caller(app, requests_per_second=1, burst=1)
    token = caller.token
    ask = lambda client: client.interactions.list()  # noqa: E731

    with pytest.raises(uniqos.RateLimitError) as refused:
        [official(token, ask) for _ in range(20)]

    assert refused.value.retry_after_seconds == 1
    assert refused.value.details["limit"] == 1
    # With retries enabled, the client waits for Retry-After, and its first retry is admitted.
    before = requests_count(official.service, caller)
    assert official(token, ask, max_retries=1, log_level="silent")["data"] == []
    assert requests_count(official.service, caller) - before <= 2


def requests_count(service: RunningService, caller: Caller) -> int:
    """Count the requests of the caller's organization in the service's log."""
    lines = log_lines(service)
    return len([line for line in lines if line["organization"] == caller.organization.id])


def spent(app: Flask) -> Caller:
    caller = new_caller(app, turns=1)
    assert caller.record(body()).status_code == 201
    return caller


def test_an_exhausted_quota_has_its_own_error_class_and_is_not_retried(
    official_and_app: tuple[Official, Flask],
) -> None:
    official, app = official_and_app
    caller = spent(app)

    with pytest.raises(uniqos.QuotaExhaustedError) as refused:
        official(caller.token, post(body()), max_retries=3)

    details = refused.value.details
    assert (details["component"], details["used"], details["limit"]) == ("turns", 1, 1)
    assert requests_count(official.service, caller) == 1
    assert official(caller.token, lambda client: client.interactions.list())["data"]


def test_credits_and_the_subscription_are_read(official_and_app: tuple[Official, Flask]) -> None:
    official, app = official_and_app
    caller = new_caller(app, "free", turns=7)
    credit = official(caller.token, lambda client: client.billing.usage.credits())
    assert credit["data"][0]["component"] == "turns"
    found = official(caller.token, lambda client: client.billing.subscription.get())
    assert found["plan"] == "free"
