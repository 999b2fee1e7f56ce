"""Each mistake in an instant has its own words, in a body and in a query."""

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.http import validation
from app.http.fields import Instant, StrictSchema
from app.http.instant_faults import EXAMPLE, explain
from app.http.query import load_query
from app.http.request_errors import InvalidFields

GENERIC = "must be an ISO-8601 instant with a zone, such as 2026-11-23T10:00:00Z"
ZONE = "must have a zone"
DAY = "which does not exist"
TIME = "names a time that does not exist"
OFFSET = "has an offset that does not exist"
MISTAKES = {
    "2026-10-31T12:00:00+0000": "must have a colon in its offset",
    "2026-10-31T12:00:00.123-0530": "must have a colon in its offset",
    "2026-10-31T12:00+01": "must have minutes in its offset",
    "20261031T120000Z": "must have hyphens and colons",
    "20261031T120000+0000": "must have hyphens and colons",
    "20261031": "must have hyphens and colons",
    "2026-02-30T12:00:00Z": f"names the day 2026-02-30, {DAY}",
    "2026-02-29T12:00:00+01:00": f"names the day 2026-02-29, {DAY}",
    "2026-13-01T12:00:00Z": f"names the day 2026-13-01, {DAY}",
    "0000-01-01T12:00:00Z": f"names the day 0000-01-01, {DAY}",
    "2026-02-30": f"names the day 2026-02-30, {DAY}",
    "2026-10-31T24:00:00Z": TIME,
    "2026-10-31T12:60Z": TIME,
    "2026-12-31T23:59:60Z": TIME,
    "2026-10-31T12:00:00+24:00": OFFSET,
    "2026-10-31T12:00:00+01:60": OFFSET,
    "2026-10-31T12:00:00": ZONE,
    "2026-10-31T12:00:00.123456": ZONE,
    "2026-10-31 12:00:00Z": "must have a T between day and time",
    "2026-10-31 12:00:00+00:00": "must have a T between day and time",
    "2026-10-31T12:00:00 00:00": "must have + or - before its offset",
    "2026-10-31T12:00:00,5Z": "must have a point before its fraction",
    "2026-10-31T12:00:00.0123456789Z": "may have at most 9 digits after the point",
    "2026-10-31T12:00.5Z": "must have seconds before its fraction",
    "yesterday": GENERIC,
    "": GENERIC,
    "1761912000": GENERIC,
}


class OccurredSchema(StrictSchema):
    """An instant as bodies have it."""

    at = Instant()


class SinceSchema(StrictSchema):
    """An instant as queries have it."""

    since = Instant(allow_date=True)


@pytest.mark.parametrize("text", MISTAKES)
def test_each_mistake_in_a_body_is_named(text: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        validation.load(OccurredSchema(), {"at": text})
    (fault,) = refused.value.field_errors
    assert MISTAKES[text] in fault["message"]
    assert (fault["code"], fault["allowed"]["examples"][0]) == (
        "invalid_instant",
        "2026-11-23T10:00:00Z",
    )


def test_a_day_is_no_instant_where_one_is_asked_for() -> None:
    with pytest.raises(InvalidFields, match="must have a time and a zone"):
        validation.load(OccurredSchema(), {"at": "2026-10-31"})


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=2026-10-31T12:00:00+00:00", "write + as %2B in a URL"),
        ("since=2026-10-31T12:00:00+0000", "write + as %2B in a URL"),
        ("since=2026-10-31T12:00:00%2B0000", "must have a colon in its offset, such as +00:00."),
        ("since=2026-02-30", f"names the day 2026-02-30, {DAY}."),
        ("since=20261031T120000Z", "extended format"),
    ],
)
def test_each_mistake_in_a_query_is_named(query: str, words: str) -> None:
    context = Flask(__name__).test_request_context(f"/?{query}")
    with context, pytest.raises(InvalidFields) as refused:
        load_query(SinceSchema())
    (fault,) = refused.value.field_errors
    assert words in fault["message"]


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9TtZz:.,+ -]{0,40}\Z"))
def test_there_are_words_for_every_text(text: str) -> None:
    assert explain(text).startswith(("must ", "may ", "names ", "has "))


def test_a_text_that_is_far_too_long_is_refused_at_once() -> None:
    long = "2026-11-30T00:00:00." + "1" * 1_500 + "Z"
    assert explain(long) == f"must be an instant such as {EXAMPLE}"
