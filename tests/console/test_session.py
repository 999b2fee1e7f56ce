"""Log-in, its limit, sessions, the tokens of forms, and the console that is off."""

import re
import subprocess
import sys

import pytest
from flask import Flask
from itsdangerous import TimestampSigner

from app import create_app
from app.backends.backend import Backend
from app.console import session
from app.console.session_routes import own_path
from tests.callers import error_of
from tests.console.operator import NAME, Operator, csrf_token_of, log_in, visitor
from tests.servers import OPERATOR_TOKEN, ROOT, environ_for, settings_for

LOGIN = "/console/login"


def test_the_console_is_off_without_an_operator_token(memory_backend: Backend) -> None:
    app = create_app(settings_for(operator_token=""), memory_backend)
    for path in ("/console", LOGIN, "/console/keys", "/console/no-such-page"):
        answer = app.test_client().get(path)
        assert answer.status_code == 404
        assert "The console is off. Set <code>OPERATOR_TOKEN</code> and restart." in answer.text
    assert app.test_client().post(LOGIN).status_code == 404


def test_a_console_that_is_off_charges_the_address(memory_backend: Backend) -> None:
    settings = settings_for(operator_token="", ip_limit="2 per 60 seconds")
    client = create_app(settings, memory_backend).test_client()
    statuses = [client.get("/console").status_code for _ in range(3)]
    assert statuses == [404, 404, 429]


def test_a_service_without_a_console_does_not_import_its_pages() -> None:
    environ = environ_for("", "", BACKEND="memory", OPERATOR_TOKEN="")
    program = (
        "import sys, wsgi; print([name for name in sys.modules if 'console.overview' in name])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environ, cwd=ROOT, check=True, capture_output=True)
    assert done.stdout.strip() == b"[]"


def test_a_page_without_a_session_leads_to_the_log_in_and_back(app: Flask) -> None:
    browser = visitor(app)
    answer = browser.get("/console?range=24h")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/console/login?next=%2Fconsole%3Frange%3D24h"

    assert 'value="/console?range=24h"' in browser.page(answer.headers["Location"])
    fields = {"name": NAME, "token": OPERATOR_TOKEN, "next": "/console?range=24h"}
    answer = browser.post(LOGIN, **fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console?range=24h")
    assert NAME in browser.page("/console")


def test_the_log_in_page_leads_on_once_the_session_is_sent(own_operator: Operator) -> None:
    answer = own_operator.get("/console/login?next=%2Fconsole%3Frange%3D7d")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console?range=7d")


def test_a_twin_without_a_session_is_401(memory_app: Flask) -> None:
    answer = memory_app.test_client().get("/console.json")
    assert answer.status_code == 401
    assert error_of(answer)["code"] == "authentication_error"


def test_cookies_are_strict_and_secure_over_https(memory_app: Flask) -> None:
    client = memory_app.test_client()
    page = client.get(LOGIN, base_url="https://localhost")
    fields = {"csrf_token": csrf_token_of(page.text), "name": NAME, "token": OPERATOR_TOKEN}
    answer = client.post(LOGIN, data=fields, base_url="https://localhost")
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("turnledger_console=")
    for attribute in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=43200"):
        assert f"; {attribute}" in cookie


def test_the_sixth_wrong_token_of_a_minute_waits_and_so_does_the_right_one(app: Flask) -> None:
    browser = visitor(app)
    for _ in range(5):
        answer = browser.post(LOGIN, name=NAME, token="wrong")
        assert answer.status_code == 403
        assert "This is not the operator token." in answer.text
    answer = browser.post(LOGIN, name=NAME, token=OPERATOR_TOKEN)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 12
    assert "Too many wrong tokens from your address. Try again in" in answer.text
    assert "wrong" not in re.sub("Too many wrong tokens|5 wrong tokens", "", answer.text)


def test_right_tokens_are_not_limited(memory_app: Flask) -> None:
    for _ in range(7):
        assert log_in(memory_app).get("/console").status_code == 200


@pytest.mark.parametrize("name", ["", "a", "A-B", "x" * 33, "two words", "a\nb"])
def test_a_name_that_the_trail_cannot_keep_is_refused(memory_app: Flask, name: str) -> None:
    answer = visitor(memory_app).post(LOGIN, name=name, token=OPERATOR_TOKEN)
    assert answer.status_code == 400
    assert 'href="#name"' in answer.text


def test_a_form_without_its_token_is_refused(own_operator: Operator, memory_app: Flask) -> None:
    stranger = log_in(memory_app)
    for token in ("", "0" * 64, stranger.csrf_token, "ü"):
        answer = own_operator.client.post("/console/logout", data={"csrf_token": token})
        assert answer.status_code == 403
        assert "This form is no longer valid" in answer.text
    assert NAME in own_operator.page("/console")


def test_a_log_out_ends_the_session(own_operator: Operator) -> None:
    answer = own_operator.post("/console/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, LOGIN)
    assert own_operator.get("/console").status_code == 303


def test_a_session_ends_after_twelve_hours(
    own_operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = TimestampSigner.get_timestamp
    for later_s, status in ((session.LASTS_S - 60, 200), (session.LASTS_S + 60, 303)):
        monkeypatch.setattr(
            TimestampSigner, "get_timestamp", lambda signer, s=later_s: now(signer) + s
        )
        assert own_operator.get("/console").status_code == status


def test_a_new_operator_token_ends_sessions(
    own_operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = session._derived
    monkeypatch.setattr(session, "_derived", lambda token, purpose: key(f"{token}2", purpose))
    assert own_operator.get("/console").status_code == 303


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "ImFiYyI.aaaa.bbbb"])
def test_a_forged_session_is_none(memory_app: Flask, value: str) -> None:
    client = memory_app.test_client()
    client.set_cookie(session.SESSION_COOKIE, value)
    assert client.get("/console").status_code == 303


def test_requests_without_a_session_charge_their_address(memory_app: Flask) -> None:
    assert "X-RateLimit-Remaining" in memory_app.test_client().get("/console").headers


def test_pages_charge_nothing_and_are_not_kept(own_operator: Operator) -> None:
    for path in ("/console", "/console.json"):
        headers = own_operator.get(path).headers
        assert "X-RateLimit-Remaining" not in headers
        assert headers.getlist("Cache-Control") == ["no-store"]


def test_the_theme_is_kept(own_operator: Operator) -> None:
    assert "data-theme" not in own_operator.page("/console")
    answer = own_operator.post("/console/theme", theme="dark", back="/console?range=7d")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console?range=7d")
    assert '<html lang="en" data-theme="dark">' in own_operator.page("/console")
    own_operator.post("/console/theme", theme="pink")
    assert 'data-theme="dark"' in own_operator.page("/console")


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/console/keys?q=a%20b", "/console/keys?q=a%20b"),
        ("/console", "/console"),
        ("", "/console"),
        ("/v1/me", "/console"),
        ("//evil.example", "/console"),
        ("https://evil.example/console", "/console"),
        ("/console\r\nX: y", "/console"),
        ("/consolex", "/console"),
    ],
)
def test_only_pages_of_the_console_are_led_back_to(wanted: str, path: str) -> None:
    assert own_path(wanted) == path


@pytest.mark.parametrize("path", ["/console", "/console.json"])
def test_head_has_the_headers_of_get_and_no_body(own_operator: Operator, path: str) -> None:
    got, head = own_operator.get(path), own_operator.client.head(path)
    assert (got.status_code, head.status_code, head.data) == (200, 200, b"")
    assert list(head.headers.keys()) == list(got.headers.keys())


@pytest.mark.parametrize("path", ["/console", "/console/audit"])
def test_a_method_that_no_form_sends_is_a_405(memory_app: Flask, path: str) -> None:
    answer = memory_app.test_client().put(path)
    assert (answer.status_code, error_of(answer)["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_form_that_is_too_large_is_refused(own_operator: Operator) -> None:
    answer = own_operator.post("/console/theme", theme="x" * 70_000)
    assert (answer.status_code, answer.mimetype) == (413, "text/html")


def test_an_unknown_page_is_a_404_page(own_operator: Operator) -> None:
    answer = own_operator.get("/console/no-such-page")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    answer = own_operator.get("/console/no-such-page.json")
    assert answer.status_code == 404
