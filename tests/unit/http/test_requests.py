"""Bodies and queries as a handler reads them, without stores or keys."""

from collections.abc import Iterator
from io import BytesIO, RawIOBase
from typing import Any

import pytest
from flask import Flask, request

from app.error_answers import find_problem
from app.http.body import load_body, read_object
from app.http.fields import StrictSchema, Token
from app.http.problems import Problem
from app.http.query import load_query, refuse_query
from app.http.request_errors import InvalidFields, RequestError

CAP = 64


class WordSchema(StrictSchema):
    """One word."""

    word = Token(r"^[a-z]+$")


class Endless(RawIOBase):
    """A sender that never stops, and knows how much was taken from it."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b" " * len(buffer)
        self.taken += len(buffer)
        return len(buffer)


@pytest.fixture
def app() -> Flask:
    return Flask(__name__)


def problem_of(app: Flask, data: Any = b"", **options: Any) -> Problem:
    options.setdefault("content_type", "application/json")
    context = app.test_request_context("/", method="POST", data=data, **options)
    with context, pytest.raises(RequestError) as refused:
        read_object(CAP)
    problem = find_problem(refused.value)
    assert problem is not None
    return problem


def read(app: Flask, data: bytes, **options: Any) -> Any:
    options.setdefault("content_type", "application/json")
    with app.test_request_context("/", method="POST", data=data, **options):
        return read_object(CAP)


@pytest.mark.parametrize("length", [2, CAP - 1, CAP])
def test_a_body_up_to_the_cap_is_read(app: Flask, length: int) -> None:
    assert read(app, b"{}".ljust(length)) == {}


@pytest.mark.parametrize("length", [CAP + 1, 100 * CAP])
def test_a_body_over_the_cap_is_413_as_announced(app: Flask, length: int) -> None:
    problem = problem_of(app, b"{}".ljust(length))

    assert (problem.kind.status, problem.details) == (413, {"max_bytes": CAP})


@pytest.mark.parametrize(("length", "is_read"), [(CAP, True), (CAP + 1, False)])
def test_a_chunked_body_is_capped_by_what_arrives(
    app: Flask, length: int, *, is_read: bool
) -> None:
    chunked = {
        "input_stream": BytesIO(b"{}".ljust(length)),
        "environ_overrides": {"wsgi.input_terminated": True},
        "headers": {"Transfer-Encoding": "chunked"},
    }

    if is_read:
        assert read(app, b"", **chunked) == {}
    else:
        assert problem_of(app, **chunked).kind.status == 413


def test_an_endless_body_is_read_to_soon_after_the_cap(app: Flask) -> None:
    sender = Endless()
    chunked = {
        "environ_overrides": {"wsgi.input": sender, "wsgi.input_terminated": True},
        "headers": {"Transfer-Encoding": "chunked"},
    }

    assert problem_of(app, **chunked).code == "payload_too_large"
    assert sender.taken <= CAP + 1


@pytest.mark.parametrize(
    "content_type",
    [
        *("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"),
        *("application/json-patch+json", "text/json", "application/problem+json", "json"),
    ],
)
def test_another_content_type_is_415(app: Flask, content_type: str) -> None:
    assert problem_of(app, b"{}", content_type=content_type).kind.status == 415


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;x",
    ],
)
def test_the_content_type_may_be_written_in_other_ways(app: Flask, content_type: str) -> None:
    assert read(app, b"{}", content_type=content_type) == {}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"a":1}x', "invalid_json"),
        (b"{'a':1}", "invalid_json"),
        (b'{"a":NaN}', "invalid_json"),
        (b'{"a":"\xff"}', "invalid_json"),
        (b'{"a":"\\ud800"}', "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        ('{"a":1}'.encode("utf-16"), "invalid_json"),
        (b"[]", "invalid_type"),
        (b"null", "invalid_type"),
        (b'"text"', "invalid_type"),
        (b"7", "invalid_type"),
    ],
)
def test_a_body_that_is_no_json_object_is_400(app: Flask, data: bytes, code: str) -> None:
    problem = problem_of(app, data)

    assert problem.kind.status == 400
    assert [(found["field"], found["code"]) for found in problem.details] == [("body", code)]


def test_a_body_is_read_by_its_schema(app: Flask) -> None:
    with app.test_request_context("/", method="POST", json={"word": "ada"}):
        assert load_body(WordSchema()) == {"word": "ada"}


def query_faults(app: Flask, query: str, schema: StrictSchema) -> Iterator[tuple[str, str]]:
    with app.test_request_context(f"/?{query}"):
        with pytest.raises(InvalidFields) as refused:
            load_query(schema)
        return ((found["field"], found["code"]) for found in refused.value.field_errors)


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("word=a&word=b", [("word", "repeated")]),
        ("word=&other=", [("word", "empty"), ("other", "empty")]),
        ("word", [("word", "empty")]),
        ("colour=red", [("colour", "unknown")]),
        ("word=A", [("word", "pattern")]),
        ("word=a%20", [("word", "pattern")]),
        ("=a", [("query", "unknown")]),
    ],
)
def test_a_query_is_read_strictly(app: Flask, query: str, faults: list[tuple[str, str]]) -> None:
    assert list(query_faults(app, query, WordSchema())) == faults


def test_an_unknown_parameter_is_refused_with_the_names_that_are_known(app: Flask) -> None:
    with app.test_request_context("/?colour=red%20"), pytest.raises(InvalidFields) as refusal:
        load_query(WordSchema())

    (found,) = refusal.value.field_errors
    known = "`colour` is not a known field or parameter; known here: word."
    assert found["message"] == known


def test_a_query_that_is_understood_is_loaded(app: Flask) -> None:
    with app.test_request_context("/?word=ada"):
        assert load_query(WordSchema()) == {"word": "ada"}


@pytest.mark.parametrize("query", ["", "?", "?&&"])
def test_no_parameters_are_no_fault(app: Flask, query: str) -> None:
    with app.test_request_context(f"/{query}"):
        refuse_query()
        assert not request.args


def test_a_route_without_parameters_names_those_that_came(app: Flask) -> None:
    with app.test_request_context("/?a=1&b=2"), pytest.raises(InvalidFields) as refusal:
        refuse_query()

    assert {fault["field"] for fault in refusal.value.field_errors} == {"a", "b"}


def test_a_long_list_of_field_errors_of_parameters_is_cut_off(app: Flask) -> None:
    query = "&".join(f"p{number}=" for number in range(900))

    assert len(list(query_faults(app, query, WordSchema()))) == 50
