"""Each route while Redis is unavailable: which answer, and which are unavailable too."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from redis.exceptions import ConnectionError  # noqa: A004 - the driver's name for it
from werkzeug.test import TestResponse

from app import create_app
from app.admission.gate import Gate
from app.admission.reconcile import Reconciler
from app.admission.script import AdmissionScript
from app.backends.backend import Backend
from app.backends.redis_clients import redis_client
from app.http.application import provided
from app.schema import ensure_schema
from config.settings import OnRedisFailure
from tests.callers import LIST, TURNS, Caller, Clock, error_of, new_caller, reserve
from tests.servers import OPERATOR_TOKEN, settings_for
from tests.turns import body, reservation, stateful
from tests.unit.admission.world import Hand

NOWHERE = "redis://127.0.0.1:1/0"
Start = Callable[..., Flask]


@pytest.fixture
def start(memory_backend: Backend) -> Iterator[Start]:
    """A function that makes applications with an in-memory ledger and an unreachable Redis."""
    gone = redis_client(NOWHERE, 50, 32)
    backend = dataclasses.replace(memory_backend, redis=gone, maintenance_redis=gone)

    def make(**changes: object) -> Flask:
        app = create_app(settings_for(**({"web_concurrency": 1} | changes)), backend)
        app.testing = True
        with app.app_context():
            ensure_schema()
        return app

    yield make
    gone.close()


@pytest.fixture
def caller(start: Start) -> Caller:
    return new_caller(start())


def test_reads_answer_with_rate_headers_and_without_quota(caller: Caller) -> None:
    for path in ("/v1/me", LIST, f"{LIST}/aggregates", "/v1/api-keys"):
        answer = caller("GET", path)
        assert answer.status_code == 200, path
        assert "X-RateLimit-Remaining" in answer.headers
        assert not quota_headers(answer)


def test_turns_are_recorded_without_a_charge_and_stored_once(caller: Caller) -> None:
    payload = stateful()
    first, again = caller.record(payload), caller.record(payload)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    assert caller.record(payload | {"latency_ms": 1}).status_code == 409
    batch = caller.record_batch([payload, body(), {"turn_id": "bad"}])
    statuses = [result["status"] for result in batch.get_json()["results"]]
    assert statuses == ["duplicate", "created", "rejected"]
    assert caller.rows_count() == 2
    (item,) = [each for each in caller.list_all() if each["mode"] == "stateful"]
    assert item == first.get_json()


def test_the_row_is_flagged_as_degraded_and_the_answer_is_not(caller: Caller) -> None:
    answer = caller.record(body())
    with caller.app.app_context():
        rows = provided(Backend).database["interactions"]
    (row,) = rows.find({})
    assert row["degraded"] is True
    assert row["charged"] == 1
    assert row["quota_period"] == caller.quota_period
    assert "degraded" not in answer.get_json()
    assert "degraded" not in caller.page()["data"][0]


def test_a_listing_shows_every_turn_acknowledged_before_it(caller: Caller) -> None:
    for _ in range(20):
        recorded = caller.record(body()).get_json()["interaction_id"]
        assert caller.page(limit=1)["data"][0]["interaction_id"] == recorded


def test_an_exhausted_local_share_is_a_429(start: Start) -> None:
    caller = new_caller(start(), requests_per_second=1, burst=3)
    answers = [caller.record(body()) for _ in range(6)]
    assert Counter(answer.status_code for answer in answers) == {201: 3, 429: 3}
    refused = answers[-1]
    error = error_of(refused)
    assert (error["code"], error["details"]["limit"]) == ("rate_limit_exceeded", 1)
    assert 0 < error["details"]["retry_after_ms"] <= 1_000
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert not quota_headers(refused)


@pytest.mark.parametrize(("workers_count", "share"), [(1, 10), (2, 5), (4, 2), (64, 1)])
def test_a_long_batch_costs_at_most_the_burst_of_the_workers_share(
    start: Start, monkeypatch: pytest.MonkeyPatch, workers_count: int, share: int
) -> None:
    caller = new_caller(start(web_concurrency=workers_count), "free")
    hand = Hand()
    with caller.app.app_context():
        monkeypatch.setattr(provided(Gate)._local, "_monotonic_us", hand)

    for _ in range(3):
        admitted = caller.record_batch([body(), *[{}] * 499])
        refused = caller.record_batch([body(), *[{}] * 499])

        assert (admitted.status_code, refused.status_code) == (200, 429)
        assert admitted.headers["X-RateLimit-Remaining"] == "0"
        details, wait_s = error_of(refused)["details"], int(refused.headers["Retry-After"])
        assert details.get("tokens", 1) == share
        # The share's rate is a part of 5 a second; so is its burst of 10, rounded down.
        assert details["retry_after_ms"] == 200 * workers_count * share
        assert wait_s == -(-details["retry_after_ms"] // 1_000)
        hand.us += details["retry_after_ms"] * 1_000
    assert caller.rows_count() == 3


def test_an_exhausted_quota_refuses_no_turn_during_the_outage(start: Start) -> None:
    caller = new_caller(start(), turns=1)
    assert {caller.record(body()).status_code for _ in range(3)} == {201}


def test_keys_are_listed_but_neither_made_nor_revoked(caller: Caller) -> None:
    (key,) = caller("GET", "/v1/api-keys").get_json()["data"]
    path = f"/v1/api-keys/{key['id']}"
    assert caller("GET", path).status_code == 200
    for answer in (
        caller("POST", "/v1/api-keys", json={"scope": "read"}),
        caller("DELETE", path),
    ):
        assert (answer.status_code, error_of(answer)["code"]) == (503, "service_unavailable")
        assert answer.headers["Retry-After"] == "1"
    assert len(caller("GET", "/v1/api-keys").get_json()["data"]) == 1
    assert caller("GET", path).get_json()["revoked_at"] is None


@pytest.mark.parametrize(
    "path", ["/v1/usage/turns", "/v1/usage/active-relationships", "/v1/limits"]
)
def test_usage_is_unavailable_without_the_counters(caller: Caller, path: str) -> None:
    answer = caller("GET", path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "X-RateLimit-Limit" in answer.headers


def test_with_the_policy_deny_only_turns_are_refused(start: Start) -> None:
    caller = new_caller(start(quota_on_redis_failure=OnRedisFailure.DENY))
    for answer in (caller.record(body()), caller.record_batch([body()])):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert caller.rows_count() == 0
    assert caller.record({"turn_id": "bad"}).status_code == 400
    assert caller.list_().status_code == 200


def test_a_reservation_is_answered_as_usual_but_holds_nothing(start: Start) -> None:
    caller = new_caller(start(), turns=0)
    answer = reserve(caller, reservation("turn_a"))
    payload = answer.get_json()
    assert (answer.status_code, payload["quota"]) == (201, None)
    assert not quota_headers(answer)
    completed = complete(caller, payload["interaction_id"], "turn_a")
    assert (completed.status_code, caller.rows_count()) == (201, 1)
    assert complete(caller, payload["interaction_id"], "turn_a").status_code == 200
    batch = complete_many(caller, payload["interaction_id"], "turn_a")
    assert batch.get_json()["results"][0]["status"] == "duplicate"


def test_a_batch_of_completions_stores_its_turns_without_a_charge(caller: Caller) -> None:
    interaction_id = reserve(caller, reservation("turn_a")).get_json()["interaction_id"]
    answer = complete_many(caller, interaction_id, "turn_a")
    assert answer.get_json() == {
        "results": [{"status": "created", "interaction_id": interaction_id}]
    }
    assert not quota_headers(answer)
    with caller.app.app_context():
        (row,) = provided(Backend).database["interactions"].find({})
    assert (row["degraded"], row["charged"]) == (True, 1)


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_recorded_turn_can_be_neither_reserved_nor_completed_with_other_content(
    caller: Caller, status: str
) -> None:
    recorded = caller.record(body(turn_id="turn_a", status=status)).get_json()
    for answer in (
        reserve(caller, reservation("turn_a")),
        complete(caller, recorded["interaction_id"], "turn_a", latency_ms=1),
    ):
        assert (answer.status_code, error_of(answer)["code"]) == (409, "conflict")
    assert caller.rows_count() == 1


def test_cancelling_takes_from_the_local_share_although_it_is_unavailable(start: Start) -> None:
    caller = new_caller(start(), requests_per_second=1, burst=3)
    interaction_id = reserve(caller, reservation()).get_json()["interaction_id"]
    answers = [caller("DELETE", f"{TURNS}/{interaction_id}") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 503, 429, 429]
    first = answers[0]
    assert (error_of(first)["code"], first.headers["Retry-After"]) == ("service_unavailable", "1")
    assert first.headers["X-RateLimit-Remaining"] == "1"
    assert not quota_headers(first)


def test_with_the_policy_deny_reservations_are_unavailable(start: Start) -> None:
    lenient = new_caller(start())
    interaction_id = reserve(lenient, reservation("turn_a")).get_json()["interaction_id"]
    caller = dataclasses.replace(lenient, app=start(quota_on_redis_failure=OnRedisFailure.DENY))
    for answer in (
        reserve(caller, reservation("turn_b")),
        complete(caller, interaction_id, "turn_a"),
        complete_many(caller, interaction_id, "turn_a"),
        caller("DELETE", f"{TURNS}/{interaction_id}"),
    ):
        assert (answer.status_code, error_of(answer)["code"]) == (503, "service_unavailable")
        assert answer.headers["Retry-After"] == "1"
    assert caller.rows_count() == 0


def test_addresses_are_limited_locally(start: Start) -> None:
    client = start(ip_limit="3 per minute").test_client()
    answers = [client.get("/v1/billing/plans") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[0].headers["X-RateLimit-Remaining"] == "2"
    guess = {"Authorization": "Bearer nonsense"}
    assert client.get("/v1/me", headers=guess).status_code == 429
    other = {"REMOTE_ADDR": "203.0.113.9"}
    assert client.get("/v1/me", headers=guess, environ_base=other).status_code == 401


def test_bad_requests_and_missing_scopes_are_answered_as_usual(caller: Caller) -> None:
    assert caller("GET", f"{LIST}?limit=0").status_code == 400
    assert caller("GET", f"{LIST}/int_01J00000000000000000000000").status_code == 404
    assert caller("POST", LIST, data="{").status_code == 415


def test_decisions_are_counted_as_degraded(caller: Caller) -> None:
    def degraded() -> float:
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        text = caller.app.test_client().get("/metrics", headers=headers).text
        wanted = 'turnledger_decisions_total{bucket="organization",outcome="degraded"} '
        return sum(float(line.split()[-1]) for line in text.splitlines() if wanted in line)

    before = degraded()
    caller.record(body())
    caller.list_()
    assert degraded() == before + 2


def test_a_refund_that_does_not_reach_redis_is_made_by_reconciliation(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, clock, payload = new_caller(memory_app), Clock(memory_app), body()
    assert caller.record(payload).status_code == 201
    clock.move(s=600)  # the charge has left the replay cache: the same turn is charged again
    gone = redis_client(NOWHERE, 50, 32)
    with memory_app.app_context():
        gate, reconciler = provided(Gate), provided(Reconciler)
    with monkeypatch.context() as broken:
        broken.setattr(gate._script, "refund", AdmissionScript(gone, gate._script.names).refund)
        again = caller.record(payload)
    gone.close()
    assert again.status_code == 200
    assert caller.counters()["turns_used"] == 2
    reconciler.reconcile(reconciler.list_accounts(), wait=lambda _: None)
    assert caller.counters()["turns_used"] == 1


def test_a_turn_whose_charges_reply_was_lost_keeps_the_charge_when_it_is_sent_again(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, payload = new_caller(memory_app), stateful()
    assert caller.record(body()).status_code == 201
    with memory_app.app_context():
        gate, reconciler = provided(Gate), provided(Reconciler)
    admit = gate._script.admit

    def lose_reply(*arguments: Any, **options: Any) -> None:
        admit(*arguments, **options)
        raise ConnectionError("the reply was lost")

    with monkeypatch.context() as broken:
        broken.setattr(gate._script, "admit", lose_reply)
        assert caller.record(payload).status_code == 201
    assert [caller.record(payload).status_code for _ in range(2)] == [200, 200]
    counted = ("turns_used", "relationships_used")
    assert [caller.counters()[name] for name in counted] == [2, 1]
    (result,) = reconciler.reconcile(reconciler.list_accounts(), wait=lambda _: None)
    assert (result.turns_drift, result.relationships_drift) == (0, 0)


def test_the_hold_of_a_turn_completed_during_the_outage_is_released_by_reconciliation(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = new_caller(memory_app, turns=2)
    interaction_id = reserve(caller, reservation("turn_a")).get_json()["interaction_id"]
    gone = redis_client(NOWHERE, 50, 32)
    with memory_app.app_context():
        gate, reconciler = provided(Gate), provided(Reconciler)
    with monkeypatch.context() as broken:
        broken.setattr(gate._script, "complete", AdmissionScript(gone, gate._script.names).complete)
        assert complete(caller, interaction_id, "turn_a").status_code == 201
    gone.close()
    assert (caller.counters()["turns_used"], caller.counters()["turns_reserved"]) == (0, 1)
    reconciler.reconcile(reconciler.list_accounts(), wait=lambda _: None)
    assert (caller.counters()["turns_used"], caller.counters()["turns_reserved"]) == (1, 0)


def test_a_reservation_that_did_not_reach_redis_releases_no_hold(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, clock = new_caller(memory_app), Clock(memory_app)
    caller.record(body(turn_id="turn_a"))
    clock.move(s=600)  # the charge has left the replay cache
    gone = redis_client(NOWHERE, 50, 32)
    with memory_app.app_context():
        gate = provided(Gate)
    with monkeypatch.context() as broken:
        broken.setattr(gate._script, "reserve", AdmissionScript(gone, gate._script.names).reserve)
        assert reserve(caller, reservation("turn_a")).status_code == 409
    gone.close()
    assert reserve(caller, reservation("turn_b")).status_code == 201
    assert caller.counters()["remembered"] == 1


def complete(caller: Caller, interaction_id: str, turn_id: str, **changes: Any) -> TestResponse:
    payload = body(turn_id=turn_id, **changes)
    del payload["occurred_at"]
    return caller("PUT", f"{TURNS}/{interaction_id}", json=payload)


def complete_many(caller: Caller, interaction_id: str, turn_id: str) -> TestResponse:
    element = body(turn_id=turn_id) | {"interaction_id": interaction_id}
    del element["occurred_at"]
    return caller("POST", f"{TURNS}/completions", json={"completions": [element]})


def quota_headers(answer: TestResponse) -> list[str]:
    return [name for name, _ in answer.headers if name.startswith("X-Quota")]
