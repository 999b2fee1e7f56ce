"""The uses of a quota, and how near they are to their ceilings."""

from datetime import date

import pytest

from app.admission.peek import quota_of
from app.tenancy.model import Limits, OveragePolicy
from app.tenancy.periods import period_at
from app.watch.uses import state_of, uses_of

PERIOD = period_at(date(2026, 11, 14), 1_796_000_000_000_000)


@pytest.mark.parametrize(
    ("used", "is_lifted", "state"),
    [
        (949, False, None),
        (950, False, "nearly_spent"),
        (999, True, "nearly_spent"),
        (1_000, False, "spent"),
        (1_001, True, "over_allowed"),
    ],
)
def test_a_use_has_a_state_from_95_percent(used: int, is_lifted: bool, state: str | None) -> None:
    assert state_of(used, 1_000, is_lifted=is_lifted) == state


def test_without_a_ceiling_there_is_no_state() -> None:
    assert state_of(10**9, None, is_lifted=False) is None


@pytest.mark.parametrize("overage", list(OveragePolicy))
def test_overage_lifts_the_ceiling_of_turns_alone(overage: OveragePolicy) -> None:
    limits = Limits(25, 50, 1_000, 100, overage)
    quota = quota_of(limits, PERIOD, (990, 10, 0, 1_000))
    states = {use.component: use.state for use in uses_of(quota, limits)}
    turns = "over_allowed" if overage is OveragePolicy.ALLOW else "spent"
    assert states == {"turns": turns, "uncharged_turns": "spent", "active_relationships": None}
