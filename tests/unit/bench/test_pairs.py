"""Ratios are taken within pairs, and floors look in the right direction."""

import pytest

from bench.pairs import Bar, Result, Sample, alternated
from bench.table import line, record

COST = Bar(floor=4, goal=2, is_cost=True)
SHARE = Bar(floor=0.7, goal=1.0)


def result(bar: Bar | None, *pairs: tuple[float, float]) -> Result:
    samples = [(Sample(ours, {"cpu": ours}), Sample(theirs, {"cpu": 1})) for ours, theirs in pairs]
    return Result("case", "peer", "ms", samples, bar)


def test_the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() -> None:
    found = result(COST, (10, 10), (30, 10), (10, 1))
    assert found.ratios == [1, 3, 10]
    assert found.ratio == 3
    assert found.middle(0) / found.middle(1) == 1
    assert (found.middle(0, "cpu"), found.middle(1, "cpu")) == (10, 1)


@pytest.mark.parametrize(
    ("bar", "ratio", "is_held", "verdict"),
    [
        (COST, 2, True, "goal reached"),
        (COST, 4, True, "floor held"),
        (COST, 4.01, False, "BELOW THE FLOOR"),
        (SHARE, 1, True, "goal reached"),
        (SHARE, 0.7, True, "floor held"),
        (SHARE, 0.69, False, "BELOW THE FLOOR"),
        (None, 99, True, "for information"),
    ],
)
def test_a_floor_holds_up_to_its_edge(
    bar: Bar | None, ratio: float, is_held: bool, verdict: str
) -> None:
    found = result(bar, (ratio, 1))
    assert (found.is_held, line(found)["verdict"]) == (is_held, verdict)


def test_sides_take_turns_and_the_first_pair_does_not_count() -> None:
    order: list[str] = []

    def side(name: str) -> Sample:
        order.append(name)
        return Sample(len(order))

    pairs = alternated(lambda: side("A"), lambda: side("B"), 3)

    assert "".join(order) == "ABABABAB"
    assert [(ours.figure, theirs.figure) for ours, theirs in pairs] == [(3, 4), (5, 6), (7, 8)]


def test_json_holds_every_pair() -> None:
    found = record(result(SHARE, (1, 2), (3, 2)))
    assert found["spread"] == "0.50..1.50"
    assert found["ratios"] == [0.5, 1.5]
    assert found["pairs"][1] == [{"figure": 3, "cpu": 3}, {"figure": 2, "cpu": 1}]
