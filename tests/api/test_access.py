"""Access: every operation with every key, and the answer to each refusal."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.access import POLICIES, Access, Door
from app.http.application import provided
from app.http.problems import CODES
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Environment, Scope
from app.tenancy.service import Organizations
from tests.api.caching import cache_control
from tests.api.conftest import NewCaller
from tests.callers import READY, Caller, error_of, new_caller
from tests.turns import body

INTERACTION = "/v1/interactions/int_01ARZ3NDEKTSV4RRFFQ69G5FAV"
# Every guarded operation, the scope that it needs, and its status with that scope.
OPERATIONS: list[tuple[str, str, Any, Scope, int]] = [
    ("GET", "/v1/me", None, Scope.READ, 200),
    ("HEAD", "/v1/me", None, Scope.READ, 200),
    ("GET", "/v1/interactions", None, Scope.READ, 200),
    ("GET", INTERACTION, None, Scope.READ, 404),
    ("GET", "/v1/interactions/aggregates", None, Scope.READ, 200),
    ("GET", "/v1/usage/turns", None, Scope.READ, 200),
    ("GET", "/v1/usage/active-relationships", None, Scope.READ, 200),
    ("GET", "/v1/limits", None, Scope.READ, 200),
    ("GET", "/v1/billing/credits", None, Scope.READ, 200),
    ("GET", "/v1/billing/subscription", None, Scope.READ, 200),
    ("POST", "/v1/interactions", "turn", Scope.READ_WRITE, 201),
    ("POST", "/v1/interactions/batch", "batch", Scope.READ_WRITE, 200),
    ("POST", "/v1/turns", "asked", Scope.READ_WRITE, 201),
    ("POST", "/v1/traces", {"resourceSpans": []}, Scope.READ_WRITE, 200),
    ("POST", "/v1/turns/completions", {"completions": [None]}, Scope.READ_WRITE, 200),
    ("PUT", "/v1/turns/int_absent", "turn", Scope.READ_WRITE, 404),
    ("DELETE", "/v1/turns/int_absent", None, Scope.READ_WRITE, 404),
    ("GET", "/v1/api-keys", None, Scope.ADMIN, 200),
    ("POST", "/v1/api-keys", {"scope": "read"}, Scope.ADMIN, 201),
    ("GET", "/v1/api-keys/key_absent", None, Scope.ADMIN, 404),
    ("DELETE", "/v1/api-keys/key_absent", None, Scope.ADMIN, 404),
]
BODIES: dict[str, Any] = {
    "turn": body(),
    "batch": {"interactions": [body()]},
    "asked": {"turn_id": "turn_asked", "mode": "stateless", "personality_id": "pers_ada"},
}
GUARDED = [(method, path) for method, path, *_ in OPERATIONS if method != "HEAD"]
QUOTA = {"X-Quota-Turns-Used", "X-Quota-Active-Relationships-Used", "X-Quota-Reset"}


def send(caller: Caller, method: str, path: str, payload: Any = None) -> TestResponse:
    payload = BODIES.get(payload, payload) if isinstance(payload, str) else payload
    return caller(method, path, json=payload) if payload else caller(method, path)


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each[0]} {each[1]}")
def test_an_operation_is_allowed_for_its_scope_and_larger_ones(
    tenant: NewCaller, operation: tuple[str, str, Any, Scope, int], scope: Scope
) -> None:
    method, path, payload, needed, status = operation

    answer = send(tenant("pro", scope=scope), method, path, payload)

    if needed in scope.included:
        assert answer.status_code == status
    else:
        assert answer.status_code == 403
        assert error_of(answer)["details"] == {"required_scope": needed.value}
        assert set(answer.headers.keys()) >= QUOTA
    by_worker = path == "/v1/limits" and answer.status_code == 200
    assert answer.headers["X-RateLimit-Limit"] == ("5" if by_worker else "25")


def test_every_guarded_operation_is_tested(memory_app: Flask) -> None:
    adapter = memory_app.url_map.bind("t")
    asked = {adapter.match(path, method=method)[0] for method, path in GUARDED}

    guarded = {name for name, policy in POLICIES.items() if policy.scope is not None}
    assert asked == guarded
    for policy in POLICIES.values():
        assert (policy.scope is not None) == (
            policy.door in {Door.METERED, Door.PEEKING, Door.RECORDING}
        )


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_suspended_organization_is_402_everywhere_and_still_limited(
    memory_app: Flask, method: str, path: str
) -> None:
    caller = new_caller(memory_app, "free", burst=2, requests_per_second=1)
    with memory_app.app_context():
        provided(Organizations).suspend(caller.organization.id)

    answers = [send(caller, method, path) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [402, 402, 429]
    assert error_of(answers[0])["code"] == "payment_required"
    assert answers[0].headers["X-RateLimit-Remaining"] == "1"


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_every_guarded_operation_is_401_without_a_key(
    memory_app: Flask, method: str, path: str
) -> None:
    answer = memory_app.test_client().open(path, method=method)

    assert (answer.status_code, error_of(answer)["code"]) == (401, "authentication_error")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "X-Quota-Reset" not in answer.headers


def age_identities(app: Flask, seconds: float) -> None:
    """Age the identity cache by `seconds`."""
    with app.app_context():
        recent = provided(Access)._authenticator._recent
    before = recent._clock
    recent._clock = lambda: before() + seconds


@pytest.mark.parametrize("change", ["revoke", "suspend", "set_plan"])
def test_a_revocation_a_suspension_and_a_plan_change_take_effect_within_5_s(
    app: Flask, change: str
) -> None:
    caller = new_caller(app, "pro")
    me = caller("GET", "/v1/me")
    with app.app_context():
        organizations, keys = provided(Organizations), provided(ApiKeys)
        if change == "revoke":
            keys.revoke(caller.organization.id, Environment.LIVE, me.get_json()["key_id"])
        elif change == "suspend":
            organizations.suspend(caller.organization.id)
        else:
            organizations.set_plan(caller.organization.id, "scale")
    age_identities(app, 5)

    answer = caller("GET", "/v1/me")

    shown = (answer.status_code, answer.headers.get("X-RateLimit-Limit"))
    if change == "set_plan":
        assert shown == (200, "100")
    else:
        assert answer.status_code == {"revoke": 401, "suspend": 402}[change]
    assert me.headers["X-RateLimit-Limit"] == "25"


def test_health_is_neither_limited_nor_authenticated_nor_logged(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    client = app.test_client()
    capsys.readouterr()

    answers = [client.get(path) for path in ("/healthz", "/readyz") for _ in range(3)]

    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].get_json() == READY
    assert all("X-Request-Id" in answer.headers for answer in answers)
    assert not any("X-RateLimit-Limit" in answer.headers for answer in answers)
    assert capsys.readouterr().out == ""


def test_request_ids_are_new_ulids_of_the_service(memory_app: Flask) -> None:
    client = memory_app.test_client()
    headers = {"X-Request-Id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}

    ids = [client.get("/nothing", headers=headers).headers["X-Request-Id"] for _ in range(50)]

    assert len(set(ids)) == 50
    assert all(len(each) == 26 for each in ids)
    assert headers["X-Request-Id"] not in ids


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/me", {"GET", "HEAD"}),
        ("options", "/v1/me", {"GET", "HEAD"}),
        ("DELETE", "/v1/interactions", {"GET", "HEAD", "POST"}),
        ("PUT", INTERACTION, {"GET", "HEAD"}),
        ("PATCH", "/v1/api-keys/key_1", {"GET", "HEAD", "DELETE"}),
        ("BREW", "/healthz", {"GET", "HEAD"}),
        ("TRACE", "/v1/billing/plans", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_405_with_the_allowed_ones(
    memory_app: Flask, method: str, path: str, allowed: set[str]
) -> None:
    answer = memory_app.test_client().open(path, method=method)

    assert (answer.status_code, error_of(answer)["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed | {"OPTIONS"}


def test_head_is_get_without_a_body(memory_app: Flask) -> None:
    caller = new_caller(memory_app)

    answers = {method: caller(method, "/v1/interactions") for method in ("GET", "HEAD")}

    assert answers["HEAD"].status_code == answers["GET"].status_code == 200
    assert answers["HEAD"].data == b""
    assert answers["HEAD"].content_type == answers["GET"].content_type


def test_the_errors_page_explains_every_code(memory_app: Flask) -> None:
    page = memory_app.test_client().get("/docs/errors")

    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert [code for code in CODES if f'id="{code}"' not in page.text] == []


def test_an_error_links_to_its_explanation(memory_app: Flask) -> None:
    error = error_of(memory_app.test_client().get("/nothing"))

    assert error["documentation_url"] == "http://localhost/docs/errors/not_found"
    assert (error["type"], error["details"]) == ("not_found", None)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each[0]} {each[1]}")
def test_answers_to_a_key_are_kept_by_its_client_at_most(
    memory_app: Flask, operation: tuple[str, str, Any, Scope, int]
) -> None:
    method, path, payload, _, status = operation
    caller = new_caller(memory_app, "free", burst=1, requests_per_second=1)
    lesser = new_caller(memory_app, "free", scope=Scope.READ)

    answers = [send(caller, method, path, payload) for _ in range(20)]
    answers.append(send(lesser, method, path, payload))

    assert {status, 429} <= {answer.status_code for answer in answers}
    for answer in answers:
        rules = answer.headers.get_all("Cache-Control")
        assert rules == cache_control(method, path, answer.status_code)
        names = [name.lower() for name, _ in answer.headers]
        assert len(names) == len(set(names)), "no header twice"
