"""Changes of the audit trail become rows that a person reads."""

from typing import Any

import pytest

from app.audit.readable import FieldChange, list_changes

TEMPORARY = {"value": 7, "until_ms": 4_102_444_800_000}
UNTIL = "2100-01-01T00:00:00.000Z"


def row(
    name: str,
    before: str | None,
    after: str | None,
    *,
    until: str | None = None,
    is_instant: bool = False,
) -> FieldChange:
    return FieldChange(name, before, after, until, is_instant)


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        ({}, {}, []),
        ({"plan": "free"}, {"plan": "pro"}, [row("plan", "free", "pro")]),
        ({"is_suspended": False}, {"is_suspended": True}, [row("is_suspended", "no", "yes")]),
        ({"label": None}, {"label": "ci"}, [row("label", None, "ci")]),
        (
            {"overrides": {"turns": 9, "burst": None}},
            {"overrides": {"turns": 60_000, "burst": 5}},
            [row("turns", "9", "60,000"), row("burst", None, "5")],
        ),
        (
            {"temporary_limits": {"burst": None}},
            {"temporary_limits": {"burst": TEMPORARY}},
            [row("burst", None, "7", until=UNTIL)],
        ),
        (
            {"temporary_limits": {"burst": TEMPORARY}},
            {"temporary_limits": {"burst": None}},
            [row("burst", "7", None, until=UNTIL)],
        ),
        (
            {"expires_at": None},
            {"expires_at": UNTIL},
            [row("expires_at", None, UNTIL, is_instant=True)],
        ),
        ({"overrides": None}, {"overrides": {"turns": 1}}, [row("turns", None, "1")]),
        ({"x": None}, {"x": {"y": [1]}}, [row("x", None, '{"y":[1]}')]),
    ],
)
def test_each_field_is_a_row(
    before: dict[str, Any], after: dict[str, Any], rows: list[FieldChange]
) -> None:
    assert list_changes(before, after) == rows
