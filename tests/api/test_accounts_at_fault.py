"""Damaged stored data affects its own account alone, and the log names the account."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app.backends.backend import Backend
from app.http.application import provided
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller, error_of
from tests.damage import ORGANIZATIONS, damage, damage_organization
from tests.servers import OPERATOR_TOKEN
from tests.turns import body

KEY_FIELDS = ("digest", "scope", "environment", "organization_id", "created_at", "revoked_at")


def assert_refused_alone(answer: TestResponse, other: Caller) -> None:
    """Assert a 503 that names the next step, and that other accounts are served."""
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (503, "service_unavailable")
    assert "ask the operator" in error["message"].lower()
    assert answer.headers["Retry-After"] == "60"
    assert other.record(body()).status_code == 201
    assert other.list_().status_code == 200


def faults_counted() -> float:
    labels = {"event": "account_unavailable"}
    return REGISTRY.get_sample_value("turnledger_account_faults_total", labels) or 0


def lines(logs: list[Any], event: str) -> list[Any]:
    return [line for line in logs if line["event"] == event]


@pytest.mark.parametrize("kind", ORGANIZATIONS)
def test_a_faulty_organization_is_refused_alone_and_the_log_has_the_reason(
    app: Flask, tenant: NewCaller, kind: str
) -> None:
    caller, other = tenant(), tenant()
    damage_organization(app, caller.organization.id, kind)

    faults_before = faults_counted()
    with capture_logs() as logs:
        answer = caller.record(body())

    assert_refused_alone(answer, other)
    assert faults_counted() == faults_before + 1
    (line,) = lines(logs, "account_unavailable")
    assert line["account"] == caller.organization.id
    assert line["requestId"] == answer.headers["X-Request-Id"]
    assert caller.organization.id in line["reason"]
    assert caller.organization.id not in answer.text


def test_a_faulty_organization_is_not_charged_to_its_address(app: Flask, tenant: NewCaller) -> None:
    caller, other = tenant(), tenant()
    damage_organization(app, caller.organization.id, "no overrides")

    statuses = [caller.list_().status_code for _ in range(40)]

    assert statuses == [503] * 40
    assert app.test_client().get("/v1/billing/plans").status_code == 200
    assert other.list_().status_code == 200


def test_a_wrong_key_is_401_also_if_the_organization_is_faulty(
    app: Flask, tenant: NewCaller
) -> None:
    caller = tenant()
    damage_organization(app, caller.organization.id, "no overrides")
    (*_, last) = caller.token
    wrong = caller.token[:-1] + ("a" if last != "a" else "b")

    answer = caller("GET", "/v1/me", headers={"Authorization": f"Bearer {wrong}"})

    assert answer.status_code == 401


@pytest.mark.parametrize("field", KEY_FIELDS)
def test_a_damaged_key_is_refused_alone(app: Flask, tenant: NewCaller, field: str) -> None:
    caller, other = tenant(), tenant()
    chosen = {"organization_id": caller.organization.id}
    damage(app, "api_keys", chosen, {"$unset": {field: ""}})

    with capture_logs() as logs:
        answer = caller.list_()

    assert_refused_alone(answer, other)
    assert len(lines(logs, "account_unavailable")) == 1


def test_a_list_of_keys_omits_a_damaged_one_and_the_log_names_it(
    app: Flask, tenant: NewCaller
) -> None:
    caller = tenant()
    made = caller("POST", "/v1/api-keys", json={"scope": "read"}).get_json()
    damage(app, "api_keys", {"_id": made["id"]}, {"$unset": {"scope": ""}})

    with capture_logs() as logs:
        answer = caller("GET", "/v1/api-keys")

    assert answer.status_code == 200
    assert made["id"] not in [key["id"] for key in answer.get_json()["data"]]
    assert len(answer.get_json()["data"]) == 1
    (line,) = lines(logs, "account_degraded")
    assert made["id"] in line["reason"]
    assert caller("GET", f"/v1/api-keys/{made['id']}").status_code == 503


def spoil_quota(redis: Any, quota: str) -> None:
    redis.delete(quota)
    redis.set(quota, "no hash")


def spoil_relationships(redis: Any, quota: str) -> None:
    redis.delete(f"{quota}:relationships")
    redis.set(f"{quota}:relationships", "no hash")


def spoil_bucket(redis: Any, quota: str) -> None:
    (bucket,) = redis.keys("bucket:{org*")
    redis.delete(bucket)
    redis.set(bucket, "no hash")


@pytest.mark.parametrize("spoil", [spoil_quota, spoil_relationships, spoil_bucket])
def test_damaged_counters_degrade_one_account_and_the_log_names_it(
    app: Flask, tenant: NewCaller, spoil: Callable[[Any, str], None]
) -> None:
    caller = tenant()
    assert caller.record(body()).status_code == 201
    with app.app_context():
        redis = provided(Backend).redis
    quota = f"quota:{{{caller.organization.id}}}:live:{caller.quota_period}"
    spoil(redis, quota)
    other = tenant()

    with capture_logs() as logs:
        answers = [caller.record(body()), caller.list_(), caller("GET", "/v1/me")]

    assert [answer.status_code for answer in answers] == [201, 200, 200]
    found = lines(logs, "account_degraded")
    assert found[0]["requestId"] == answers[0].headers["X-Request-Id"]
    assert {line["account"] for line in found} == {caller.account}
    assert all(quota in line["reason"] for line in found)
    usage = caller("GET", "/v1/usage/turns")
    assert usage.status_code == 503
    assert other.record(body()).status_code == 201


@pytest.mark.parametrize("value", ["many", "nan", "inf", "-inf", "1e300"])
def test_a_counter_that_is_no_number_counts_as_missing(
    app: Flask, tenant: NewCaller, value: str
) -> None:
    """Treat a bucket without a level as full, and load missing counters from the ledger."""
    caller = tenant()
    assert caller.record(body()).status_code == 201
    with app.app_context():
        redis = provided(Backend).redis
    quota = f"quota:{{{caller.organization.id}}}:live:{caller.quota_period}"

    for field in ("turns_used", "clock_at", "generation"):
        redis.hset(quota, field, value)
        assert caller.record(body()).status_code == 201
        assert caller.list_().status_code == 200
    (bucket,) = redis.keys("bucket:{org*")
    for field in ("level", "at"):
        redis.hset(bucket, field, value)
        assert caller.record(body()).status_code == 201

    usage = caller("GET", "/v1/usage/turns").get_json()
    assert usage["quota"]["turns_used"] == 6
    assert redis.ttl(bucket) > 0


def test_deleting_damaged_counters_loads_them_from_the_ledger(
    app: Flask, tenant: NewCaller
) -> None:
    caller = tenant()
    assert caller.record(body()).status_code == 201
    with app.app_context():
        redis = provided(Backend).redis
    quota = f"quota:{{{caller.organization.id}}}:live:{caller.quota_period}"
    spoil_quota(redis, quota)
    assert caller.record(body()).status_code == 201

    redis.delete(quota)

    assert caller.record(body()).status_code == 201
    assert caller.counters()["turns_used"] == 3


@pytest.mark.parametrize(
    "change",
    [
        {"$set": {"by_status": "many"}},
        {"$set": {"by_status": {"completed": "many"}}},
        {"$set": {"latency_histogram": b"123"}},
        {"$set": {"turns_consumed": None}},
        {"$set": {"committed": "many"}},
        {"$set": {"revision": "many"}},
    ],
)
def test_a_damaged_roll_up_refuses_only_the_numbers_of_its_account(
    app: Flask, tenant: NewCaller, change: dict[str, Any]
) -> None:
    caller, other = tenant(), tenant()
    for one in (caller, other):
        assert one.record(body()).status_code == 201
    assert app.test_cli_runner().invoke(args=["archive", "run"]).exit_code == 0
    damage(app, "usage_daily", {"account": caller.account}, change)

    with capture_logs() as logs:
        answer = caller("GET", f"{LIST}/aggregates")

    assert_refused_alone(answer, other)
    assert other("GET", f"{LIST}/aggregates").status_code == 200
    assert caller.list_().status_code == 200
    (line,) = lines(logs, "account_unavailable")
    assert line["account"] == caller.account
    assert "usage_daily" in line["reason"]


@pytest.mark.parametrize("note", ["archive", "reconcile"])
def test_a_damaged_note_of_the_worker_fails_neither_readiness_nor_metrics(
    app: Flask, note: str
) -> None:
    with app.app_context():
        provided(Backend).database["upkeep"].insert_one({"_id": note, "started_at_us": "soon"})

    ready = app.test_client().get("/readyz")
    metrics = app.test_client().get(
        "/metrics", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    )

    assert (ready.status_code, ready.get_json()["status"]) == (200, "ready")
    assert metrics.status_code == 200
    assert "turnledger_requests_total" in metrics.text


def test_an_unexpected_error_names_the_organization(
    app: Flask, tenant: NewCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = tenant()
    app.testing = False
    monkeypatch.setattr("app.interactions.service.InteractionService.get_", None)

    with capture_logs() as logs:
        answer = caller("GET", f"{LIST}/int_{'0' * 26}")

    assert answer.status_code == 500
    (line,) = lines(logs, "unexpected_error")
    assert line["organization"] == caller.organization.id


@pytest.mark.parametrize("rule", [{"overrides": {"turns": 1.5}}, {"plan": 7}])
def test_a_valid_key_of_a_faulty_organization_is_not_charged_to_its_address(
    app: Flask, tenant: NewCaller, rule: dict[str, Any]
) -> None:
    caller = tenant()
    damage(app, "organizations", {"_id": caller.organization.id}, {"$set": rule})

    assert {caller("GET", "/v1/me").status_code for _ in range(30)} == {503}
    assert app.test_client().get("/v1/billing/plans").status_code == 200


def test_a_damaged_bucket_of_an_address_refuses_no_request(app: Flask) -> None:
    with app.app_context():
        provided(Backend).redis.set("bucket:{ip:127.0.0.1}", "no hash")

    assert app.test_client().get("/v1/billing/plans").status_code == 200
    assert app.test_client().get("/v1/me").status_code == 401
