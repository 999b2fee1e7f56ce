"""A browser without script in which an operator is logged in."""

import re
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.console import shared_reads
from tests.servers import OPERATOR_TOKEN

NAME = "on-call-eu"
_CSRF = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')


@dataclass(frozen=True, slots=True)
class Operator:
    """A browser with the cookies of a session; `csrf_token` belongs to its forms.

    Each of its pages is computed anew, whatever the process has just read.
    """

    app: Flask
    client: FlaskClient
    csrf_token: str

    def get(self, path: str) -> TestResponse:
        """Request a page."""
        shared_reads.init_app(self.app)
        return self.client.get(path)

    def page(self, path: str) -> str:
        """Return the HTML of a page that must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def data(self, path: str) -> dict[str, Any]:
        """Return the data of a page's JSON twin; `path` ends in `.json`, or has a query."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def post(self, path: str, **fields: str) -> TestResponse:
        """Send a form with its token; follow no redirection."""
        return self.client.post(path, data={"csrf_token": self.csrf_token, **fields})


def csrf_token_of(page: str) -> str:
    """Return the token of the forms of a page."""
    found = _CSRF.search(page)
    assert found, page
    return found[1]


def visitor(app: Flask) -> Operator:
    """Return a browser that has opened the log-in page and has no session yet."""
    client = app.test_client()
    return Operator(app, client, csrf_token_of(client.get("/console/login").text))


def log_in(app: Flask, name: str = NAME) -> Operator:
    """Return a browser with a session."""
    browser = visitor(app)
    answer = browser.post("/console/login", name=name, token=OPERATOR_TOKEN)
    assert answer.status_code == 303, answer.text
    return Operator(app, browser.client, csrf_token_of(browser.page("/console")))
