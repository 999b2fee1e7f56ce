"""The page of each error code: complete, with a recorded example."""

import ast
import json
import re
from html import unescape
from urllib.parse import urlsplit

import pytest
from flask import Flask

from app import create_app
from app.http.problems import CODES
from app.reference.error_texts import read_error_text
from app.reference.examples import error_exchange
from tests.callers import error_of
from tests.servers import ROOT, settings_for

TEXTS = ROOT / "app" / "reference" / "errors"


def test_every_code_has_a_text_and_no_text_is_left_over() -> None:
    assert {path.stem for path in TEXTS.iterdir()} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_text_is_whole(code: str) -> None:
    text = read_error_text(code)

    assert all((text.lead, text.retry, text.charged, text.sent_by, text.causes))
    assert all(each.cause and each.sign and each.next_step for each in text.causes)
    assert code not in text.related
    assert set(text.related) <= set(CODES)
    ast.parse(text.handling)


@pytest.mark.parametrize("code", CODES)
def test_every_field_of_the_example_is_explained(code: str) -> None:
    text = read_error_text(code)
    details = error_exchange(code)["response"]["body"]["error"]["details"] or {}

    shown = set(details[0] if isinstance(details, list) else details)

    assert shown <= {field.name for field in text.details}
    assert all(field.type and field.meaning for field in text.details)


@pytest.mark.parametrize("code", CODES)
def test_an_error_leads_to_its_page_which_shows_it(memory_app: Flask, code: str) -> None:
    request, response = error_exchange(code)["request"], error_exchange(code)["response"]
    url = urlsplit(response["body"]["error"]["documentation_url"])

    page = memory_app.test_client().get(url.path)

    assert (url.path, url.fragment) == (f"/docs/errors/{code}", "")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert str(read_error_text(code).lead) in page.text
    headers = [f"{name}: {value}" for name, value in response["headers"].items()]
    body = json.dumps(response["body"], indent=2).splitlines()
    shown = unescape(re.sub("<[^>]+>", "", page.text)).splitlines()
    assert [line for line in (request["line"], *headers, *body) if line not in shown] == []


@pytest.mark.parametrize("code", ["nothing", "Conflict", "conflict.toml", "..", "conflict/"])
def test_an_unknown_code_is_not_found(memory_app: Flask, code: str) -> None:
    answer = memory_app.test_client().get(f"/docs/errors/{code}")

    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")


def test_a_page_of_the_operator_gets_the_code_as_fragment() -> None:
    app = create_app(settings_for(documentation_url="https://docs.example/errors"))

    error = error_of(app.test_client().get("/nothing"))

    assert error["documentation_url"] == "https://docs.example/errors#not_found"
