"""The form of a list: an export only for clients that name one."""

import pytest
from werkzeug.test import EnvironBuilder

from app.http.accept import CSV, MOST_CHARACTERS, NDJSON, prefers_page
from app.http.current import CurrentRequest


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, None),
        ("", None),
        ("*/*", None),
        ("text/*", None),
        ("application/*", None),
        ("application/json", None),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None),
        ("application/x-ndjson", NDJSON),
        ("text/csv", CSV),
        ("TEXT/CSV", CSV),
        ("text/csv; charset=utf-8", CSV),
        ("text/csv;header=present;q=0.4", CSV),
        ("text/csv, */*", CSV),
        ("text/csv, */*;q=0.1", CSV),
        ("text/csv;q=0.5, */*", None),
        ("text/csv;q=0.5, application/*", None),
        ("text/csv, application/json", None),
        ("application/json;q=0.9, text/csv", CSV),
        ("application/json, text/csv;q=0.9", None),
        ("application/json;q=0.1, */*, text/csv;q=0.5", CSV),
        ("text/csv, application/x-ndjson", NDJSON),
        ("text/csv, application/x-ndjson;q=0.9", CSV),
        ("text/csv;q=0", None),
        ("text/csv;q=0, */*;q=0", None),
        ("text/csv;q=nonsense", None),
        ("text/csv/x", None),
        (",;=,/", None),
        (f"text/csv,{'a/b,' * (MOST_CHARACTERS // 4 - 10)}", CSV),
        (f"text/csv,{'a/b,' * (MOST_CHARACTERS // 4)}", None),
    ],
)
def test_the_form_of_a_list_by_accept(accept: str | None, chosen: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    asked = CurrentRequest(EnvironBuilder(headers=headers).get_environ())
    assert asked.export_type == chosen


@pytest.mark.parametrize(
    ("accept", "is_preferred"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html;q=0.5,application/json", False),
        (f"text/html,{'a/b,' * (MOST_CHARACTERS // 4)}", False),
    ],
)
def test_a_page_is_for_clients_that_prefer_it(accept: str, is_preferred: bool) -> None:
    assert prefers_page(accept) is is_preferred
