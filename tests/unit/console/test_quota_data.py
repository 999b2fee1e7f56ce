"""Shares, states and the projection of a quota."""

from typing import Any

import pytest

from app.admission.decision import QuotaState
from app.console.quota_data import DAY_US, projection_data, quota_data
from app.tenancy.model import Limits, OveragePolicy

NOW_US = 20 * DAY_US
LIMITS = Limits(25, 50, 1_000, 100)


def quota_of(**changes: Any) -> QuotaState:
    least = QuotaState(
        turns_used=0,
        turns_reserved=0,
        turns_limit=1_000,
        relationships_used=0,
        relationships_limit=100,
        period_start_us=0,
        period_end_us=30 * DAY_US,
        uncharged_used=0,
        uncharged_limit=1_000,
        relationships_ceiling=100,
    )
    return least._replace(**changes)


@pytest.mark.parametrize(
    ("used", "held", "overage", "per_mille", "state"),
    [
        (0, 0, OveragePolicy.BLOCK, 0, None),
        (949, 0, OveragePolicy.BLOCK, 949, None),
        (940, 10, OveragePolicy.BLOCK, 950, "nearly_spent"),
        (999, 0, OveragePolicy.ALLOW, 999, "nearly_spent"),
        (990, 10, OveragePolicy.BLOCK, 1_000, "spent"),
        (1_300, 0, OveragePolicy.ALLOW, 1_300, "over_allowed"),
    ],
)
def test_held_turns_count_and_a_spent_quota_has_a_word(
    used: int, held: int, overage: OveragePolicy, per_mille: int, state: str | None
) -> None:
    limits = Limits(25, 50, 1_000, 100, overage)
    quota = quota_of(turns_used=used, turns_reserved=held)

    turns = quota_data(quota, limits, NOW_US)["components"][0]

    assert (turns["per_mille"], turns["state"]) == (per_mille, state)
    assert turns["left"] == 1_000 - used - held


def test_overage_does_not_lift_the_ceiling_of_uncharged_turns() -> None:
    limits = Limits(25, 50, 1_000, 100, OveragePolicy.ALLOW)
    quota = quota_of(uncharged_used=1_000)
    assert quota_data(quota, limits, NOW_US)["components"][2]["state"] == "spent"


def test_without_a_limit_there_is_no_share() -> None:
    quota = quota_of(turns_used=7, turns_limit=None)
    turns = quota_data(quota, LIMITS, NOW_US)["components"][0]
    shown = [turns[name] for name in ("used", "limit", "left", "per_mille", "state")]
    assert shown == [7, None, None, None, None]


def test_a_limit_of_0_is_spent_and_has_no_share() -> None:
    turns = quota_data(quota_of(turns_limit=0), LIMITS, NOW_US)["components"][0]
    assert (turns["per_mille"], turns["state"]) == (None, "spent")


@pytest.mark.parametrize(("day", "per_mille"), [(0, 0), (15, 500), (30, 1_000), (31, 1_000)])
def test_the_period_is_over_by_so_much(day: int, per_mille: int) -> None:
    assert quota_data(quota_of(), LIMITS, day * DAY_US)["period_per_mille"] == per_mille


def project(left: int, days: list[int]) -> dict[str, Any] | None:
    turns = {"limit": 1_000, "left": left}
    return projection_data(turns, days, 30 * DAY_US, NOW_US)


def test_a_quota_ends_before_the_reset() -> None:
    assert project(250, [100] * 7) == {
        "days_count": 7,
        "turns_a_day": 100,
        "ends_on": "1970-01-23",
        "days_before_reset": 8,
        "left_at_reset": None,
    }


def test_a_quota_lasts_until_the_reset() -> None:
    found = project(250, [10, 20, 30])
    assert found is not None
    assert (found["ends_on"], found["left_at_reset"], found["turns_a_day"]) == (None, 50, 20)


@pytest.mark.parametrize(
    ("left", "days"), [(250, [10, 10]), (250, [0] * 7), (0, [10] * 7), (-1, [10] * 7)]
)
def test_without_a_pace_or_a_rest_nothing_is_projected(left: int, days: list[int]) -> None:
    assert project(left, days) is None
