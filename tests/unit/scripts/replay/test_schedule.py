"""The instants at which a replay sends its requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.replay.schedule import plan_shots
from scripts.lib.replay.trace import Arrival


def arrivals(*offsets_us: int) -> list[Arrival]:
    return [Arrival(line, offset_us, 1, 1) for line, offset_us in enumerate(offsets_us, 2)]


@pytest.mark.parametrize(
    ("speed", "due_s"), [(1, [0.0, 1.0, 3.5]), (10, [0.0, 0.1, 0.35]), (0.5, [0.0, 2.0, 7.0])]
)
def test_intervals_are_divided_by_the_speed(speed: float, due_s: list[float]) -> None:
    shots = plan_shots(arrivals(0, 1_000_000, 3_500_000), speed, 1)

    assert [shot.due_s for shot in shots] == pytest.approx(due_s)


def test_a_batch_is_due_with_its_last_arrival() -> None:
    shots = plan_shots(arrivals(0, 1_000_000, 3_000_000, 4_000_000, 9_000_000), 1, 2)

    assert [(shot.due_s, len(shot.arrivals)) for shot in shots] == [(1.0, 2), (4.0, 2), (9.0, 1)]


@given(
    gaps_us=st.lists(st.integers(0, 10**9), min_size=1, max_size=50),
    speed=st.floats(0.01, 1e6),
    batch_size=st.integers(1, 60),
)
def test_every_arrival_is_sent_once_in_order_and_never_early(
    gaps_us: list[int], speed: float, batch_size: int
) -> None:
    offsets_us = [sum(gaps_us[:count]) for count in range(len(gaps_us))]
    wanted = arrivals(*offsets_us)

    shots = plan_shots(wanted, speed, batch_size)

    assert [arrival for shot in shots for arrival in shot.arrivals] == wanted
    assert [shot.due_s for shot in shots] == sorted(shot.due_s for shot in shots)
    for shot in shots:
        assert 1 <= len(shot.arrivals) <= batch_size
        assert shot.due_s * speed >= shot.arrivals[0].offset_us / 1e6 * (1 - 1e-9)
