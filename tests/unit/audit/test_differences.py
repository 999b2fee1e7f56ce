"""Entries hold only the fields that a change changes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.audit.differences import UNREADABLE, differences

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TEMPORARY = {"value": 5, "until_ms": 9}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ({"b": 2}, {"b": 3})),
        ({"a": 1}, {"a": 1}, ({}, {})),
        ({"a": 1}, {}, ({}, {})),
        ({}, {"a": None}, ({}, {})),
        ({}, {"at": AT}, ({"at": None}, {"at": "2026-11-23T12:00:00.000Z"})),
        ({"o": {"x": 1, "y": 2}}, {"o": {"x": 1}}, ({"o": {"y": 2}}, {"o": {"y": None}})),
        ({"o": {"x": 1}}, {"o": {"x": 1, "y": 2}}, ({"o": {"y": None}}, {"o": {"y": 2}})),
        ({"o": {"x": 1}}, {"o": {"x": 1}}, ({}, {})),
        ({"o": {}}, {"o": {"t": TEMPORARY}}, ({"o": {"t": None}}, {"o": {"t": TEMPORARY}})),
        ({"a": 1}, {"a": True}, ({"a": 1}, {"a": True})),
    ],
)
def test_only_what_differs_is_kept(
    before: dict[str, Any], after: dict[str, Any], expected: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    assert differences(before, after) == expected


@pytest.mark.parametrize("damaged", ["x" * 101, "two\nlines", "", 1.5, [1], b"bytes"])
def test_a_damaged_value_is_not_repeated(damaged: Any) -> None:
    assert differences({"plan": damaged}, {"plan": "pro"}) == (
        {"plan": UNREADABLE},
        {"plan": "pro"},
    )
