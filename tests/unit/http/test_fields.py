"""Strict fields: a value is taken for what it is, or refused with a reason."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.error_answers import find_problem
from app.http import validation
from app.http.fields import (
    Boolean,
    Choice,
    Instant,
    Integer,
    ListOf,
    Number,
    Numeral,
    Part,
    StrictSchema,
    Token,
)
from app.http.request_errors import FieldError, InvalidFields


class InnerSchema(StrictSchema):
    """An object inside another."""

    count = Integer(0, 5, required=True)


class OuterSchema(StrictSchema):
    """One field of each kind."""

    integer = Integer(-3, 7)
    number = Number(-1, 1)
    boolean = Boolean()
    token = Token(r"^[a-z]{1,4}$")
    nothing = Token(r"^[a-z]{1,4}$", allow_none=True)
    choice = Choice(("red", "blue"))
    labels = ListOf(Token(r"^[a-z]+$"), 2, minimum=1)
    inner = Part(InnerSchema)
    instant = Instant()
    numeral = Numeral(1, 100)


SCHEMA = OuterSchema()
VALUES = (
    *(None, True, False, 0, 1, 8, -4, 0.5, 1.0, 2**70, math.nan, math.inf),
    *("", "1", "true", "red", "abc", "abcde", "a\n", "2026-11-23T10:00:00Z"),
    *([], ["a"], ["a"] * 3, [1], {}, {"count": 1}, {"count": 1, "text": "x"}),
)
WELCOME: dict[str, list[Any]] = {
    "integer": [0, 1],
    "number": [0, 1, 0.5, 1.0],
    "boolean": [True, False],
    "token": ["true", "red", "abc"],
    "nothing": [None, "true", "red", "abc"],
    "choice": ["red"],
    "labels": [["a"]],
    "inner": [{"count": 1}],
    "instant": ["2026-11-23T10:00:00Z"],
}


def field_errors_of(data: Any) -> list[FieldError]:
    with pytest.raises(InvalidFields) as refused:
        validation.load(SCHEMA, data)
    return refused.value.field_errors


def is_accepted(name: str, value: Any) -> bool:
    try:
        validation.load(SCHEMA, {name: value})
    except InvalidFields:
        return False
    return True


@pytest.mark.parametrize("name", WELCOME)
def test_a_field_takes_its_own_values_and_nothing_that_resembles_them(name: str) -> None:
    accepted = [value for value in VALUES if is_accepted(name, value)]

    assert [(type(value), value) for value in accepted] == [
        (type(value), value)
        for value in VALUES
        if any(type(value) is type(other) and value == other for other in WELCOME[name])
    ]


@pytest.mark.parametrize(
    ("payload", "field", "code"),
    [
        ({"integer": 8}, "integer", "out_of_range"),
        ({"integer": True}, "integer", "invalid_type"),
        ({"integer": None}, "integer", "null"),
        ({"number": math.nan}, "number", "out_of_range"),
        ({"number": "0"}, "number", "invalid_type"),
        ({"token": "a b"}, "token", "pattern"),
        ({"token": "a\n"}, "token", "pattern"),
        ({"choice": "green"}, "choice", "not_allowed"),
        ({"choice": ["red"]}, "choice", "invalid_type"),
        ({"labels": []}, "labels", "wrong_count"),
        ({"labels": "a"}, "labels", "invalid_type"),
        ({"labels": ["a", "B"]}, "labels.1", "pattern"),
        ({"inner": {}}, "inner.count", "required"),
        ({"inner": 5}, "inner", "invalid_type"),
        ({"inner": {"count": 9}}, "inner.count", "out_of_range"),
        ({"inner": {"count": 1, "text": "x"}}, "inner.text", "unknown"),
        ({"instant": "today"}, "instant", "invalid_instant"),
        ({"text": "x"}, "text", "unknown"),
        ({"x" * 100: 1}, "x" * 64 + "…", "unknown"),
        ([], "body", "invalid_type"),
        (None, "body", "invalid_type"),
        ("text", "body", "invalid_type"),
    ],
)
def test_a_refusal_names_the_field_the_reason_and_the_allowed_values(
    payload: Any, field: str, code: str
) -> None:
    (found,) = field_errors_of(payload)

    assert (found["field"], found["code"]) == (field, code)
    assert found["message"].startswith(f"`{field}` ")
    assert set(found) == {"field", "code", "message", "allowed"}


def test_all_field_errors_are_reported_at_once_and_the_first_is_the_message() -> None:
    with pytest.raises(InvalidFields) as refused:
        validation.load(SCHEMA, {"integer": 8, "token": "", "inner": {"count": -1}, "text": 1})

    fields = {found["field"] for found in refused.value.field_errors}
    assert fields == {"integer", "token", "inner.count", "text"}
    problem = find_problem(refused.value)
    assert problem is not None
    assert "(3 more in details)" in problem.message


def test_a_long_list_of_field_errors_is_cut_off() -> None:
    found = field_errors_of({f"field{number}": 1 for number in range(64)})

    assert [wrong["code"] for wrong in found] == ["unknown"] * 50 + ["more"]


def test_an_object_with_too_many_fields_is_one_field_error() -> None:
    (found,) = field_errors_of({f"field{number}": 1 for number in range(10_000)})

    assert (found["field"], found["code"]) == ("body", "too_many")


@given(st.text())
def test_a_value_is_never_repeated_to_the_client(text: str) -> None:
    canary = f"canary {text}"

    (found,) = field_errors_of({"token": canary})

    assert canary not in str(found)


@pytest.mark.slow  # seconds of work
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_either_loaded_or_refused(payload: Any) -> None:
    try:
        loaded = validation.load(SCHEMA, payload)
    except InvalidFields as error:
        loaded = "refused" if error.field_errors else None

    assert loaded in ({}, "refused")


@pytest.mark.parametrize(("text", "loaded"), [("1", 1), ("100", 100), ("007", 7)])
def test_a_numeral_is_digits(text: str, loaded: int) -> None:
    assert validation.load(SCHEMA, {"numeral": text}) == {"numeral": loaded}


@pytest.mark.parametrize(
    "text", ["", "0", "101", "-1", "1.0", " 1", "1\n", "\u0663", "1" * 400, "+1"]
)
def test_a_numeral_out_of_bounds_is_refused_with_the_bounds(text: str) -> None:
    (found,) = field_errors_of({"numeral": text})

    assert found["allowed"] == {"min": 1, "max": 100}
    assert "between 1 and 100" in found["message"]
