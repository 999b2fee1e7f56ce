"""Me, plans and API keys over HTTP."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.http.application import provided
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Environment, Organization, Scope
from app.tenancy.service import Organizations

KEY_FIELDS = {
    "id",
    "scope",
    "environment",
    "label",
    "hint",
    "created_at",
    "expires_at",
    "revoked_at",
    "last_used_at",
}
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")


class Caller:
    """An organization with a key, and requests that carry it."""

    def __init__(self, app: Flask, organization: Organization, **key: Any) -> None:
        self.app = app
        self.organization = organization
        with app.app_context():
            self.key, token = provided(ApiKeys).issue(organization.id, **key)
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = self.headers | options.pop("headers", {})
        return self.app.test_client().open(path, method=method, headers=headers, **options)


Call = Callable[..., Caller]


@pytest.fixture
def organization(memory_app: Flask) -> Organization:
    """An organization on the plan `scale`."""
    with memory_app.app_context():
        return provided(Organizations).create("Acme", "scale")


@pytest.fixture
def caller(memory_app: Flask, organization: Organization) -> Call:
    """A function that makes callers of the organization."""

    def make(
        scope: Scope = Scope.ADMIN,
        environment: Environment = Environment.LIVE,
        of: Organization = organization,
    ) -> Caller:
        return Caller(memory_app, of, scope=scope, environment=environment)

    return make


@pytest.fixture
def admin(caller: Call) -> Caller:
    """A caller with an admin key for the live environment."""
    return caller()


def error_of(response: TestResponse) -> dict[str, Any]:
    """Return the error without the parts that differ from request to request."""
    body: dict[str, Any] = response.get_json()["error"]
    return {name: value for name, value in body.items() if name != "request_id"}


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        (Scope.READ, ["read"]),
        (Scope.READ_WRITE, ["read", "read_write"]),
        (Scope.ADMIN, ["read", "read_write", "admin"]),
    ],
)
@pytest.mark.parametrize("environment", list(Environment))
def test_me_returns_the_account_of_the_key(
    caller: Call, scope: Scope, scopes: list[str], environment: Environment
) -> None:
    holder = caller(scope, environment)

    response = holder("GET", "/v1/me")

    assert response.status_code == 200
    assert response.get_json() == {
        "organization": {"id": holder.organization.id, "name": "Acme", "plan": "scale"},
        "key_id": holder.key.id,
        "scopes": scopes,
        "environment": environment,
        "plan": "scale",
    }


def test_the_plans_are_public_and_unlimited_is_null(memory_app: Flask) -> None:
    response = memory_app.test_client().get("/v1/billing/plans")

    assert response.status_code == 200
    plans = response.get_json()["data"]
    assert [plan["plan"] for plan in plans] == ["free", "pro", "scale", "enterprise"]
    assert plans[0] == {
        "plan": "free",
        "name": "Free",
        "requests_per_second": 5,
        "burst": 10,
        "turns_per_period": 1_000,
        "active_relationships": 25,
        "overage_policy": "block",
    }
    assert (plans[3]["turns_per_period"], plans[3]["active_relationships"]) == (None, None)


def test_a_created_key_is_shown_in_full_once_and_works(admin: Caller, memory_app: Flask) -> None:
    body = {"scope": "read", "expires_in_days": 30, "label": "ci"}

    response = admin("POST", "/v1/api-keys", json=body)

    made = response.get_json()
    assert response.status_code == 201
    assert set(made) == KEY_FIELDS | {"key"}
    assert (made["scope"], made["environment"], made["label"]) == ("read", "live", "ci")
    assert INSTANT.fullmatch(made["created_at"])
    assert INSTANT.fullmatch(made["expires_at"])
    me = memory_app.test_client().get("/v1/me", headers={"Authorization": f"Bearer {made['key']}"})
    assert me.get_json()["key_id"] == made["id"]
    del made["key"]
    shown = admin("GET", f"/v1/api-keys/{made['id']}").get_json()
    listed = admin("GET", "/v1/api-keys").get_json()["data"]
    # The key has been used meanwhile, and its use may be written by now.
    assert shown | {"last_used_at": None} == made
    assert made in [key | {"last_used_at": None} for key in listed]


def test_the_list_is_one_page_of_this_environments_keys_without_secrets(caller: Call) -> None:
    admin, other = caller(), caller(environment=Environment.TEST)

    page = admin("GET", "/v1/api-keys").get_json()

    assert set(page) == {"data", "next_cursor"}
    assert page["next_cursor"] is None
    assert [key["id"] for key in page["data"]] == [admin.key.id]
    assert set(page["data"][0]) == KEY_FIELDS
    assert admin.headers["Authorization"][-46:] not in str(page)
    assert [key["id"] for key in other("GET", "/v1/api-keys").get_json()["data"]] == [other.key.id]


def test_a_retry_with_the_same_idempotency_key_answers_the_same_key(admin: Caller) -> None:
    answers = [
        admin(
            "POST", "/v1/api-keys", json={"scope": "read"}, headers={"Idempotency-Key": "retry-1"}
        )
        for _ in range(3)
    ]

    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[0].get_json() == answers[1].get_json() == answers[2].get_json()
    assert len(admin("GET", "/v1/api-keys").get_json()["data"]) == 2


def test_a_retry_with_another_body_is_a_conflict(admin: Caller) -> None:
    headers = {"Idempotency-Key": "retry-1"}
    admin("POST", "/v1/api-keys", json={"scope": "read"}, headers=headers)

    response = admin("POST", "/v1/api-keys", json={"scope": "admin"}, headers=headers)

    assert (response.status_code, error_of(response)["code"]) == (409, "conflict")


@pytest.mark.parametrize("value", ["", "a" * 256, "é"])
def test_an_odd_idempotency_key_is_a_400_that_names_the_header(admin: Caller, value: str) -> None:
    response = admin(
        "POST", "/v1/api-keys", json={"scope": "read"}, headers={"Idempotency-Key": value}
    )

    assert response.status_code == 400
    assert [wrong["field"] for wrong in error_of(response)["details"]] == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "scope"),
        ({"scope": "owner"}, "scope"),
        ({"scope": None}, "scope"),
        ({"scope": ["read"]}, "scope"),
        ({"scope": "read", "expires_in_days": 0}, "expires_in_days"),
        ({"scope": "read", "expires_in_days": 3651}, "expires_in_days"),
        ({"scope": "read", "expires_in_days": "7"}, "expires_in_days"),
        ({"scope": "read", "expires_in_days": 1.5}, "expires_in_days"),
        ({"scope": "read", "expires_in_days": True}, "expires_in_days"),
        ({"scope": "read", "label": "two words"}, "label"),
        ({"scope": "read", "label": ""}, "label"),
        ({"scope": "read", "label": "a" * 65}, "label"),
        ({"scope": "read", "environment": "test"}, "environment"),
        ({"scope": "read", "$where": 1}, "$where"),
    ],
)
def test_a_bad_body_is_a_400_that_names_the_field(
    admin: Caller, body: dict[str, Any], field: str
) -> None:
    response = admin("POST", "/v1/api-keys", json=body)

    assert response.status_code == 400
    assert error_of(response)["code"] == "validation_error"
    assert [wrong["field"] for wrong in error_of(response)["details"]] == [field]
    assert len(admin("GET", "/v1/api-keys").get_json()["data"]) == 1


def test_all_field_errors_of_a_body_are_reported_at_once(admin: Caller) -> None:
    response = admin("POST", "/v1/api-keys", json={"label": "", "expires_in_days": 0, "x": 1})

    fields = {wrong["field"] for wrong in error_of(response)["details"]}
    assert fields == {"scope", "label", "expires_in_days", "x"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/me"),
        ("GET", "/v1/billing/plans"),
        ("GET", "/v1/api-keys"),
        ("POST", "/v1/api-keys"),
        ("GET", "/v1/api-keys/key_absent"),
        ("DELETE", "/v1/api-keys/key_absent"),
    ],
)
def test_an_unknown_parameter_is_a_400_that_names_it(admin: Caller, method: str, path: str) -> None:
    response = admin(method, f"{path}?colour=red")

    assert response.status_code == 400
    assert [wrong["field"] for wrong in error_of(response)["details"]] == ["colour"]


@pytest.mark.parametrize("scope", [Scope.READ, Scope.READ_WRITE])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/api-keys"),
        ("POST", "/v1/api-keys"),
        ("GET", "/v1/api-keys/key_absent"),
        ("DELETE", "/v1/api-keys/key_absent"),
    ],
)
def test_only_an_admin_key_manages_keys(caller: Call, scope: Scope, method: str, path: str) -> None:
    response = caller(scope)(method, path)

    assert (response.status_code, error_of(response)["code"]) == (403, "permission_denied")
    assert error_of(response)["details"] == {"required_scope": "admin"}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_foreign_and_unknown_keys_are_the_same_404(
    caller: Call, memory_app: Flask, method: str
) -> None:
    with memory_app.app_context():
        stranger = provided(Organizations).create("Stranger", "scale")
    admin, foreign, other = caller(), caller(of=stranger), caller(environment=Environment.TEST)

    answers = [
        admin(method, f"/v1/api-keys/{key_id}")
        for key_id in (foreign.key.id, other.key.id, "key_absent", "%24ne", "a" * 500, "%00")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert all(error_of(answer) == error_of(answers[0]) for answer in answers)
    for untouched in (foreign, other):
        assert untouched("GET", "/v1/me").status_code == 200


def test_a_revoked_key_is_refused_and_stays_in_the_list(admin: Caller, memory_app: Flask) -> None:
    made = admin("POST", "/v1/api-keys", json={"scope": "read"}).get_json()

    answers = [admin("DELETE", f"/v1/api-keys/{made['id']}") for _ in range(2)]

    assert [(answer.status_code, answer.data) for answer in answers] == [(204, b"")] * 2
    revoked = admin("GET", f"/v1/api-keys/{made['id']}").get_json()
    assert INSTANT.fullmatch(revoked["revoked_at"])
    headers = {"Authorization": f"Bearer {made['key']}"}
    refusal = memory_app.test_client().get("/v1/me", headers=headers)
    assert (refusal.status_code, error_of(refusal)["code"]) == (401, "authentication_error")
    assert refusal.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "authentication_error"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "authentication_error"),
        ({"Authorization": "Bearer nonsense"}, "invalid_token"),
        ({"Authorization": "Bearer uniq_live_" + "a" * 46}, "invalid_token"),
    ],
)
def test_a_request_without_a_valid_key_is_401_with_www_authenticate(
    memory_app: Flask, headers: dict[str, str], code: str
) -> None:
    response = memory_app.test_client().get("/v1/me", headers=headers)

    assert (response.status_code, error_of(response)["code"]) == (401, code)
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_suspended_organization_is_402(
    memory_app: Flask, organization: Organization, admin: Caller
) -> None:
    with memory_app.app_context():
        provided(Organizations).suspend(organization.id)

    response = admin("GET", "/v1/me")

    assert (response.status_code, error_of(response)["code"]) == (402, "payment_required")
