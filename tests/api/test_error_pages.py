"""The page of each error code: complete, and its example is a true answer."""

import ast
import json
import re
from typing import Any

import pytest
from flask import Flask
from markupsafe import escape

from app import create_app
from app.http.problems import CODES
from app.reference.error_texts import ErrorText, read_error_text
from tests.api.provoked_errors import provoke
from tests.callers import Clock, error_of, new_caller
from tests.servers import ROOT, settings_for

TEXTS = ROOT / "app" / "reference" / "errors"
# Headers that depend on the reason; the others are explained on the start page.
SHOWN = ("X-Request-Id", "X-RateLimit-", "X-Quota-", "Retry-After", "Allow", "WWW-Authenticate")


def without_numbers(value: Any) -> Any:
    """Replace the digits in a value, so that times and counts of two answers are equal."""
    return re.sub(r"\d+", "0", json.dumps(value))


def test_every_code_has_a_text_and_no_text_is_left_over() -> None:
    assert {path.stem for path in TEXTS.iterdir()} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_an_example_is_a_true_answer(memory_app: Flask, code: str) -> None:
    clock = Clock(memory_app)
    example = read_error_text(code).example

    answer = provoke(code, new_caller(memory_app, "pro"), clock)

    assert answer.status_code == CODES[code].status
    true, shown = error_of(answer), json.loads(example.body)["error"]
    assert list(shown) == list(true)
    assert len(shown.pop("request_id")) == len(true.pop("request_id"))
    assert without_numbers(shown) == without_numbers(true)
    sent = {name: value for name, value in answer.headers if name.startswith(SHOWN)}
    named = dict(line.split(": ", 1) for line in example.headers)
    assert set(named) == set(sent)
    for name in ("Allow", "WWW-Authenticate"):
        assert named.get(name) == sent.get(name)


@pytest.mark.parametrize("code", CODES)
def test_a_text_is_whole(code: str) -> None:
    text = read_error_text(code)

    assert all((text.lead, text.retry, text.charged, text.sent_by, text.causes))
    assert all(each.cause and each.sign and each.next_step for each in text.causes)
    assert code not in text.related
    assert set(text.related) <= set(CODES)
    assert re.match(r"(GET|POST|PUT|DELETE) /", text.example.request)
    ast.parse(text.handling)


@pytest.mark.parametrize("code", CODES)
def test_every_field_of_the_example_is_explained(code: str) -> None:
    text = read_error_text(code)

    assert fields_of_example(text) <= {field.name for field in text.details}
    assert all(field.type and field.meaning for field in text.details)


def fields_of_example(text: ErrorText) -> set[str]:
    details = json.loads(text.example.body)["error"]["details"] or {}
    return set(details[0] if isinstance(details, list) else details)


@pytest.mark.parametrize("code", CODES)
def test_an_error_leads_to_its_page(memory_app: Flask, code: str) -> None:
    error = error_of(provoke(code, new_caller(memory_app, "pro"), Clock(memory_app)))

    url = error["documentation_url"]
    page = memory_app.test_client().get(url.removeprefix("https://ledger.example"))

    assert url == f"https://ledger.example/docs/errors/{code}"
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert str(read_error_text(code).lead) in page.text
    for line in read_error_text(code).example.body.splitlines():
        assert str(escape(line)) in page.text


@pytest.mark.parametrize("code", ["nothing", "Conflict", "conflict.toml", "..", "conflict/"])
def test_an_unknown_code_is_not_found(memory_app: Flask, code: str) -> None:
    answer = memory_app.test_client().get(f"/docs/errors/{code}")

    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")


def test_a_page_of_the_operator_gets_the_code_as_fragment() -> None:
    app = create_app(settings_for(documentation_url="https://docs.example/errors"))

    error = error_of(app.test_client().get("/nothing"))

    assert error["documentation_url"] == "https://docs.example/errors#not_found"
