"""Sums of very many names: exact up to a bound, in bounded memory, and never a turn is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.usage.breakdown import Sums, added_up
from app.usage.named_sums import NamedSums, Share
from app.usage.names import OTHERS
from app.usage.rollups import Rollup
from app.usage.totals import total
from tests.unit.usage.breakdowns import breakdowns, tables

pytestmark = pytest.mark.slow  # seconds of work


def of_all(shares: list[Share]) -> Sums:
    return added_up({"": share.sums} for share in shares).get("", Sums())


@given(st.lists(tables, max_size=6), st.integers(0, 6))
def test_the_largest_names_are_exact_and_no_turn_is_lost(
    parts: list[dict[str, Sums]], most: int
) -> None:
    sums = NamedSums()
    for table in parts:
        sums.add(table)

    shown = sums.largest(most)

    exact = added_up(parts)
    named = [share for share in shown if share.name != OTHERS]
    ranked = sorted(exact.keys() - {OTHERS}, key=lambda name: (-exact[name].total_turns, name))
    assert [share.name for share in named] == ranked[:most]
    assert all(share.sums == exact[share.name] for share in named)
    assert of_all(shown) == added_up({"": one} for one in exact.values()).get("", Sums())
    assert OTHERS not in [share.name for share in shown[:-1]]


@given(st.lists(tables, max_size=12), st.integers(2, 6))
def test_beyond_the_bound_the_smaller_names_are_counted_together(
    parts: list[dict[str, Sums]], max_kept: int
) -> None:
    sums = NamedSums(max_kept)
    for table in parts:
        sums.add(table)
        assert len(sums._table) <= max_kept + 1

    shown, exact = sums.largest(max_kept), added_up(parts)
    assert of_all(shown) == added_up({"": one} for one in exact.values()).get("", Sums())
    for share in shown:
        if share.name != OTHERS:
            assert share.sums.total_turns <= exact[share.name].total_turns


@given(st.lists(breakdowns, max_size=4), st.sampled_from(["model", "key"]))
def test_a_total_has_the_shares_of_its_days(days: list[object], dimension: str) -> None:
    rollups = [Rollup(by_status={"completed": 7}, breakdown=each) for each in days]

    found = total(iter(rollups), dimension)

    exact = added_up(getattr(each, dimension) for each in days)
    assert dict(found.shares or ()) == exact
    assert (
        found.rollup
        == total(iter([each._replace(breakdown=Rollup().breakdown) for each in rollups])).rollup
    )
    assert found.is_breakdown_complete == (sum(each.turns for each in days) == 7 * len(days))
