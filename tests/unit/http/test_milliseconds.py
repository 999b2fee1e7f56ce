"""Durations with a fraction become whole milliseconds, rounded half up."""

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.http.fields import Milliseconds
from app.http.rules import Reason

DAY_MS = 86_400_000
FIELD = Milliseconds(0, DAY_MS)


def refusal(value: Any) -> Reason:
    with pytest.raises(ValidationError) as refused:
        FIELD.accept(value)
    (reason,) = refused.value.messages
    assert isinstance(reason, Reason)
    return reason


@given(st.floats(0, DAY_MS) | st.integers(0, DAY_MS * 2).map(lambda halves: halves / 2))
def test_a_fraction_is_rounded_half_up_as_decimals_are(value: float) -> None:
    taken = FIELD.accept(value)

    assert type(taken) is int
    assert taken == Decimal(value).quantize(Decimal(1), ROUND_HALF_UP)
    assert FIELD.accept(taken) == taken


@pytest.mark.parametrize(
    "value",
    [-0.25, -1, -5e-324, DAY_MS + 0.25, DAY_MS + 1, 1e308, math.inf, -math.inf, math.nan, 2**70],
)
def test_what_is_out_of_bounds_before_rounding_is_refused(value: float) -> None:
    reason = refusal(value)

    assert (reason.code, reason.allowed) == ("out_of_range", {"min": 0, "max": DAY_MS})


@pytest.mark.parametrize("value", ["5", True, False, [], {}, [5], b"5"])
def test_what_is_no_number_is_refused(value: Any) -> None:
    assert refusal(value).code == "invalid_type"


def test_null_is_taken_only_where_it_may_be() -> None:
    assert Milliseconds(0, 1, allow_none=True).accept(None) is None
    assert refusal(None).code == "invalid_type"
