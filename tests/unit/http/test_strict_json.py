"""JSON is read strictly: the same as by the standard library's hook, and no name twice."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.http.strict_json import MAX_COUNTED, InvalidJson, RepeatedNames, parse

pytestmark = pytest.mark.slow  # seconds of work

BLANKS = st.text(" \t\n\r", max_size=2)
# Few names, so that they repeat, and among them all that could be counted wrongly.
NAMES = st.sampled_from(["a", "b", ":", '"', '":', "\\", "", " :", "é"])
STRINGS = st.sampled_from(["a", ":", "::", '":"', '"', "\\", '\\":', "a:b", ' ":', "\t:", "é:"])
SCALARS = STRINGS | st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1)


def spelled(text: str) -> st.SearchStrategy[str]:
    """Write a string as JSON, some of its characters as escapes."""
    ways = [
        st.sampled_from([f"\\u{ord(sign):04x}", json.dumps(sign, ensure_ascii=False)[1:-1]])
        for sign in text
    ]
    return st.tuples(*ways).map(lambda signs: f'"{"".join(signs)}"')


def scalar(value: Any) -> st.SearchStrategy[str]:
    return spelled(value) if isinstance(value, str) else st.just(json.dumps(value))


def lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.lists(inner, max_size=4), BLANKS).map(
        lambda drawn: "[" + f"{drawn[1]},".join(drawn[0]) + "]"
    )


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(BLANKS, NAMES.flatmap(spelled), BLANKS, BLANKS, inner).map(
        lambda drawn: f"{drawn[0]}{drawn[1]}{drawn[2]}:{drawn[3]}{drawn[4]}"
    )
    return st.lists(member, max_size=4).map(lambda members: "{" + ",".join(members) + "}")


TEXTS = st.recursive(SCALARS.flatmap(scalar), lambda inner: lists(inner) | objects(inner))


def repeats(text: str) -> bool:
    """Return True if the standard library sees an object with a name twice."""
    seen = []

    def look(members: list[tuple[str, Any]]) -> dict[str, Any]:
        seen.append(len(dict(members)) < len(members))
        return dict(members)

    json.loads(text, object_pairs_hook=look)
    return any(seen)


def marked(value: Any) -> bool:
    """Return True if an object within `value` says that it repeats names."""
    if isinstance(value, dict):
        return isinstance(value, RepeatedNames) or any(map(marked, value.values()))
    return isinstance(value, list) and any(map(marked, value))


@settings(max_examples=150)
@given(TEXTS)
def test_a_repeated_name_is_found_exactly_where_the_standard_library_finds_one(text: str) -> None:
    assert_found_as_by_the_standard_library(text)


@pytest.mark.long
@settings(max_examples=2_000)
@given(TEXTS)
def test_a_repeated_name_is_found_in_many_texts(text: str) -> None:
    assert_found_as_by_the_standard_library(text)


def assert_found_as_by_the_standard_library(text: str) -> None:
    found = parse(text.encode())

    assert found == json.loads(text)
    assert marked(found) == repeats(text)


def test_the_names_of_an_object_are_named_each_once() -> None:
    found = parse(b'{"a": 1, "inner": {"b": 1, "c": 2, "b": 3, "c": 4, "b": 5}}')

    assert type(found) is dict
    assert type(found["inner"]) is RepeatedNames
    assert found["inner"].repeated == ["b", "c"]
    assert found["inner"] == {"b": 5, "c": 4}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": NaN}', "contains NaN"),
        (b'{"a": nan}', "contains NaN"),
        (b"[Infinity]", "contains NaN or Infinity"),
        (b'{"a": -Infinity}', "contains NaN or Infinity"),
        (b'{"a": 1e400}', "contains a number that is too large"),
        (b'{"a": -1e400}', "contains a number that is too large"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "contains a number that is too large"),
        (b'{"a": 01}', "is not valid JSON in UTF-8"),
        (b'{"a": "NaN"', "is not valid JSON in UTF-8"),
        (rb'["\ud800"]', "is not valid JSON in UTF-8"),
        (b'["\xff"]', "is not valid JSON in UTF-8"),
        (b"\xef\xbb\xbf{}", "is not valid JSON in UTF-8"),
        ("{}".encode("utf-16"), "is not valid JSON in UTF-8"),
        (b"", "is not valid JSON in UTF-8"),
        (b"[" * 5_000 + b"]" * 5_000, "is not valid JSON in UTF-8"),
    ],
)
def test_a_text_that_is_no_json_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidJson) as refused:
        parse(text)

    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("depth", [10, 100, 400])
def test_a_name_twice_deep_inside_is_found(depth: int) -> None:
    found = parse(nested(depth))

    for _ in range(depth):
        (found,) = found
    assert type(found) is RepeatedNames


def test_a_value_too_deep_for_the_second_parser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # How deep that is depends on the version of Python.
    def give_up(*_: Any, **__: Any) -> None:
        raise RecursionError

    monkeypatch.setattr(json, "loads", give_up)

    with pytest.raises(InvalidJson) as refused:
        parse(nested(1_020))
    assert str(refused.value) == "nests lists or objects too deeply"


def nested(depth: int) -> bytes:
    return b"[" * depth + b'{"a": 1, "a": 2}' + b"]" * depth


def test_a_flood_of_values_is_not_counted_to_its_end() -> None:
    flood = b"{}," * MAX_COUNTED + b"{}"
    assert len(parse(b'{"b": [' + flood + b"]}")["b"]) == MAX_COUNTED + 1

    with pytest.raises(InvalidJson) as refused:
        parse(b'{"a": 1, "a": 2, "b": [' + flood + b"]}")
    assert str(refused.value) == (
        "has more than 100,000 values, too many to find out whether a name is repeated: send fewer "
        "at once"
    )


def test_a_text_without_repeated_names_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("parsed a second time")

    monkeypatch.setattr(json, "loads", refuse)

    assert parse(b'{"a": 1, "at": "10:00:00", "b" : [{"a": 2}, {"a": 3}]}')["a"] == 1
    assert parse(b"{}") == {}
