"""Labels at the end of lines stay above the axis and apart."""

import pytest

from app.console.charts.lines import Line, lines
from app.console.charts.panel import Steps


@pytest.mark.parametrize(
    ("upper", "lower", "expected"),
    [(0.9, 0.5, [68.0, 80.0]), (0, 0, [68.0, 80.0]), (100, 1, [4.0, 80.0]), (99, 99, [4.8, 16.8])],
)
def test_labels_are_above_the_axis_and_apart(
    upper: float, lower: float, expected: list[float]
) -> None:
    panel = lines(
        [Line("l-95", [100, upper], "p95"), Line("l-50", [100, lower], "p50")], Steps(2), 80
    )
    assert [tag.y for tag in panel.tags] == expected


def test_one_label_ends_on_the_axis() -> None:
    panel = lines([Line("l-50", [100, 0], "p50")], Steps(2), 80)
    assert [tag.y for tag in panel.tags] == [80.0]
