"""The price of looking: four screens that refresh each 30 seconds."""

import time
from collections.abc import Callable

import pytest
from flask import Flask

from tests.callers import new_caller
from tests.console.operator import Operator
from tests.console.traffic import write_minutes
from tests.turns import body

SCREENS_COUNT, EVERY_S = 4, 30
MOST_OF_A_CORE = 0.01
PAGES_COUNT = 10


@pytest.mark.long
@pytest.mark.parametrize("backend", ["live"], indirect=True)
def test_four_screens_cost_less_than_a_hundredth_of_a_core(
    app: Flask, operator: Operator, report_figures: Callable[..., None]
) -> None:
    for _ in range(100):
        new_caller(app, "pro").record(body())
    write_minutes(app, 60, seed=4)
    began_s = time.process_time()
    for _ in range(PAGES_COUNT):
        operator.page("/console")
    page_s = (time.process_time() - began_s) / PAGES_COUNT

    report_figures(page_ms=round(page_s * 1_000, 1))
    assert page_s * SCREENS_COUNT / EVERY_S < MOST_OF_A_CORE
