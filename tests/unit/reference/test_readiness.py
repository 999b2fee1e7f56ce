"""The words of the start page for each answer of `/readyz`."""

from typing import Any

import pytest

from app.reference.readiness import describe_readiness
from tests.callers import READY

BOTH = {"mongodb": "up", "redis": "up"}


@pytest.mark.parametrize(
    ("answer", "level", "facts"),
    [
        (READY, "ok", ["MongoDB up", "Redis up", "archive up to date"]),
        (
            READY | {"archive": {"lag_s": 1_200}},
            "ok",
            ["MongoDB up", "Redis up", "archive 1,200 s behind"],
        ),
        (READY | {"archive": None}, "ok", ["MongoDB up", "Redis up"]),
        (
            {"status": "degraded", "stores": BOTH | {"redis": "down"}, "archive": None},
            "warn",
            ["MongoDB up", "Redis down"],
        ),
        (
            {"status": "unavailable", "stores": {"mongodb": "down", "redis": "up"}},
            "bad",
            ["MongoDB down", "Redis up"],
        ),
        (
            {"status": "unavailable", "stores": BOTH, "schema": "missing"},
            "bad",
            ["MongoDB up", "Redis up", "indexes or validators missing"],
        ),
        ({"status": "draining"}, "warn", []),
    ],
)
def test_a_state_is_a_level_a_sentence_and_facts(
    answer: dict[str, Any], level: str, facts: list[str]
) -> None:
    found = describe_readiness(answer)

    assert (found.level, found.facts) == (level, facts)
    assert found.summary.startswith("This server ")
