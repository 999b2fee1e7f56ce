"""No key expires later than the key that made it; expired and revoked keys are removed."""

from typing import Any

import pytest
from flask import Flask

from app.admission.clock import LedgerClock
from app.admission.reconcile import Reconciler
from app.http.application import provided
from tests.callers import Caller, Clock, error_of, new_caller
from tests.chores import end_after_one_pass

KEYS = "/v1/api-keys"
DAY_S = 86_400


@pytest.fixture
def admin(memory_app: Flask) -> Caller:
    """A caller whose own key never expires."""
    return new_caller(memory_app)


def caller_for(admin: Caller, days: int) -> Caller:
    """Return a caller of the same account whose key expires in so many days."""
    made = admin("POST", KEYS, json={"scope": "admin", "expires_in_days": days}).get_json()
    return Caller(admin.app, admin.organization, admin.environment, made["key"])


def wrong_of(caller: Caller, **body: Any) -> dict[str, Any]:
    answer = caller("POST", KEYS, json={"scope": "read"} | body)
    assert answer.status_code == 400
    (wrong,) = error_of(answer)["details"]
    assert wrong["field"] == "expires_in_days"
    return dict(wrong)


def test_a_key_that_expires_makes_no_key_that_expires_later_or_never(admin: Caller) -> None:
    expiring = caller_for(admin, days=30)

    assert wrong_of(expiring, expires_in_days=31)["code"] == "out_of_range"
    assert wrong_of(expiring)["code"] == "required"
    answer = expiring("POST", KEYS, json={"scope": "admin", "expires_in_days": 29})

    assert answer.status_code == 201
    assert (
        wrong_of(expiring, expires_in_days=3650)["allowed"]["not_after"]
        > (answer.get_json()["expires_at"])
    )


def test_a_key_without_expiry_and_the_operator_make_keys_of_any_lifetime(admin: Caller) -> None:
    assert admin("POST", KEYS, json={"scope": "admin"}).status_code == 201
    words = ("key", "create", admin.organization.id, "--scope", "admin", "--expires-in", "3650")
    assert admin.app.test_cli_runner().invoke(args=[*words]).exit_code == 0


def test_the_worker_removes_keys_that_ended_90_days_ago_and_they_stay_refused(
    admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(admin.app)
    made = admin("POST", KEYS, json={"scope": "read"}).get_json()
    ended = Caller(admin.app, admin.organization, admin.environment, made["key"])
    assert admin("DELETE", f"{KEYS}/{made['id']}").status_code == 204
    assert refusal(ended) == (401, "authentication_error")

    clock.move(s=90 * DAY_S - 60)
    run_worker(admin.app, monkeypatch)
    assert len(admin("GET", KEYS).get_json()["data"]) == 2

    clock.move(s=60)
    logged = run_worker(admin.app, monkeypatch)
    assert '"keys":1' in logged
    assert made["id"] not in logged
    assert len(admin("GET", KEYS).get_json()["data"]) == 1
    assert admin("GET", f"{KEYS}/{made['id']}").status_code == 404
    assert refusal(ended)[0] == 401


def refusal(caller: Caller) -> tuple[int, str]:
    answer = caller("GET", "/v1/me")
    return answer.status_code, error_of(answer)["code"]


def run_worker(app: Flask, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run one pass of each chore by the clock that the test moves; return the log."""
    monkeypatch.setattr(LedgerClock, "ask", lambda _: None)
    with app.app_context():
        provided(Reconciler)._deadline_s = 0
    end_after_one_pass(monkeypatch)
    result = app.test_cli_runner().invoke(args=["worker"])
    assert result.exit_code == 0, result.output
    return result.output
