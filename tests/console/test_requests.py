"""A refused request is explained by its id; each reason for no entry has its own sentence."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from ulid import ULID
from werkzeug.test import TestResponse

from app.http.application import provided
from app.observability.collecting import AnswerCollector
from app.request_log.recorder import RequestRecorder
from app.request_log.service import RequestLog
from tests.callers import Caller
from tests.console.conftest import NewCaller
from tests.console.operator import Operator
from tests.turns import body

REQUESTS = "/console/requests"


@pytest.fixture
def kept(app: Flask) -> Callable[[], None]:
    """A function that writes the entries of all requests so far."""

    def write() -> None:
        with app.app_context():
            provided(AnswerCollector).flush()
            provided(RequestRecorder).flush()

    return write


def id_of(answer: TestResponse) -> str:
    return answer.headers["X-Request-Id"]


def test_a_ticket_is_answered(
    tenant: NewCaller, operator: Operator, kept: Callable[[], None]
) -> None:
    caller: Caller = tenant("free", turns=0)
    refused = caller.record(body())
    assert refused.status_code == 429
    kept()

    found = operator.data(f"{REQUESTS}/{id_of(refused)}.json")["found"]

    assert (found["status"], found["error_code"]) == (429, "quota_exhausted")
    assert found["organization"] == {"id": caller.organization.id, "name": "Acme"}
    assert found["key"]["id"] == caller.key_id
    assert found["retry_after_s"] == int(refused.headers["Retry-After"])
    assert [(each["step"], each["state"]) for each in found["checks"]][-2:] == [
        ("Rate", "ok"),
        ("Quota", "refused"),
    ]
    page = operator.page(f"{REQUESTS}/{id_of(refused)}")
    assert "Refused with 429 quota_exhausted." in page
    assert f"flask org raise {caller.organization.id} --turns N" in page
    assert id_of(refused) in found["ticket"]


def test_requests_of_the_same_key_are_shown_around_it(
    tenant: NewCaller, operator: Operator, kept: Callable[[], None]
) -> None:
    caller, other = tenant(), tenant()
    ids = sorted(id_of(caller("GET", "/v1/interactions?limit=0")) for _ in range(3))
    other("GET", "/v1/interactions?limit=0")
    kept()

    found = operator.data(f"{REQUESTS}/{ids[1]}.json")["found"]

    assert [each["id"] for each in found["around"]] == ids[::-1]
    assert found["fields"] == ["limit"]


def test_the_newest_refusals_are_listed(
    tenant: NewCaller, operator: Operator, kept: Callable[[], None]
) -> None:
    caller = tenant()
    ids = sorted(id_of(caller("GET", "/v1/interactions?limit=0")) for _ in range(3))
    caller("GET", "/v1/me")
    kept()

    newest = operator.data(f"{REQUESTS}.json")["newest"]["requests"]

    assert [each["id"] for each in newest] == ids[::-1]
    page = operator.page(REQUESTS)
    for each in ids:
        assert f'href="{REQUESTS}/{each}"' in page


def test_no_refusal_is_said(own_operator: Operator) -> None:
    assert "No request was refused in the last 14 days." in own_operator.page(REQUESTS)


def test_the_form_leads_to_the_page(own_operator: Operator) -> None:
    answer = own_operator.get(f"{REQUESTS}?id=+01m857wwt68h8hwga8e1gfthm9+")

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{REQUESTS}/01M857WWT68H8HWGA8E1GFTHM9"


def test_an_unknown_id_has_the_possible_reasons(operator: Operator) -> None:
    unknown = str(ULID())

    answer = operator.get(f"{REQUESTS}/{unknown}")

    assert answer.status_code == 404
    assert f"No entry for {unknown}." in answer.text
    assert "status below 400" in answer.text


def test_an_old_id_has_expired(operator: Operator) -> None:
    old = str(ULID.from_datetime(datetime.now(UTC) - timedelta(days=15)))

    answer = operator.get(f"{REQUESTS}/{old}")

    assert answer.status_code == 404
    assert "This entry is gone." in answer.text
    assert "REQUEST_LOG_DAYS" in answer.text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("01M8PDX3B2HE29JN297FGY", "26 letters and digits; this one has 22."),
        ("81M8PDX3B2HE29JN297FGY8D2J", "begins with a digit from 0 to 7."),
        ("01M8PDX3B2HE29JN297FGY8DUU", "no letters I, L, O and U"),
        ("int_01M8PDX3B2HE29JN297FGY8D2J", "That is an interaction, not a request."),
        ("key_1", "That is a key, not a request."),
        ("<b>", "this one has 3."),
    ],
)
def test_a_malformed_id_is_explained(own_operator: Operator, given: str, sentence: str) -> None:
    answer = own_operator.client.get(f"{REQUESTS}/{given}")

    assert answer.status_code == 400
    assert sentence in answer.text
    assert own_operator.client.get(f"{REQUESTS}/{given}.json").status_code == 400
    assert "<b>" not in answer.text


def test_without_a_log_the_setting_is_named(
    memory_app: Flask, own_operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with memory_app.app_context():
        monkeypatch.setattr(provided(RequestLog), "_days", 0)

    assert "Set <code>REQUEST_LOG_DAYS</code>" in own_operator.page(REQUESTS)
    answer = own_operator.get(f"{REQUESTS}/{ULID()}")
    assert answer.status_code == 404
    assert "Refused requests are not kept." in answer.text
