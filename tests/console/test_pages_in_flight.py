"""Pages hold at most a quarter of the threads; the others answer the API."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Semaphore

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.console import audit_routes
from app.http.application import provided
from config.settings import Settings
from tests.callers import error_of, new_caller
from tests.console.operator import Operator, log_in

SLOTS = 2
AUDIT = "/console/audit"


@pytest.fixture
def has_begun(monkeypatch: pytest.MonkeyPatch) -> Semaphore:
    """Released by each page of the audit trail that has begun; it then waits for `may_end`."""
    return Semaphore(0)


@pytest.fixture
def may_end(monkeypatch: pytest.MonkeyPatch, has_begun: Semaphore) -> Event:
    """Set it to let pages of the audit trail end."""
    may_end, compute = Event(), audit_routes.AuditData.compute

    def wait(*given: object) -> object:
        has_begun.release()
        assert may_end.wait(30)
        return compute(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(audit_routes.AuditData, "compute", wait)
    return may_end


def test_a_page_above_the_limit_is_refused_and_the_api_answers(
    memory_app: Flask, has_begun: Semaphore, may_end: Event
) -> None:
    assert _threads_of(memory_app) // 4 == SLOTS
    caller = new_caller(memory_app)
    browsers = [log_in(memory_app) for _ in range(SLOTS + 1)]
    with ThreadPoolExecutor(SLOTS) as threads:
        begun = [threads.submit(_get(browser)) for browser in browsers[:SLOTS]]
        for _ in begun:
            assert has_begun.acquire(timeout=30)

        _require_refused(browsers[-1])
        assert caller("GET", "/v1/me").status_code == 200
        assert memory_app.test_client().get("/console/login").status_code == 200
        may_end.set()
        _require_answered(begun)

    assert browsers[-1].client.get("/console").status_code == 200


def _require_refused(browser: Operator) -> None:
    answer = browser.client.get("/console?refresh=30")
    assert (answer.status_code, answer.mimetype) == (429, "text/html")
    assert (answer.headers["Retry-After"], answer.headers["Refresh"]) == ("1", "30")
    assert "Many pages of the console are being made." in answer.text
    answer = browser.client.get("/console.json")
    assert error_of(answer)["code"] == "rate_limit_exceeded"
    answer = browser.client.post("/console/keys", data={"csrf_token": browser.csrf_token})
    assert answer.status_code == 429


def _require_answered(begun: list[Future[TestResponse]]) -> None:
    assert [each.result(30).status_code for each in begun] == [200] * SLOTS


@pytest.mark.parametrize("path", ["/console/no-such-page", "/console/organizations/org_0", AUDIT])
def test_a_page_that_ends_leaves_its_slot(memory_app: Flask, path: str) -> None:
    operator = log_in(memory_app)
    statuses = {operator.client.get(path).status_code for _ in range(SLOTS + 1)}
    statuses |= {operator.client.post("/console/keys").status_code for _ in range(SLOTS + 1)}
    assert 429 not in statuses


def test_a_page_that_fails_leaves_its_slot(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = log_in(memory_app)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(audit_routes.AuditData, "compute", fail)
    memory_app.config["PROPAGATE_EXCEPTIONS"] = False
    assert {operator.client.get(AUDIT).status_code for _ in range(SLOTS + 1)} == {500}


def _get(browser: Operator) -> Callable[[], TestResponse]:
    return lambda: browser.client.get(AUDIT)


def _threads_of(app: Flask) -> int:
    with app.app_context():
        return provided(Settings).web_threads
