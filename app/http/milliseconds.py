"""Durations on the wire: whole milliseconds; fractions, as browsers' timers give, are rounded."""

import math
from typing import Any

from app.http.fields import Integer
from app.http.rules import Bounds, refuse


class Milliseconds(Integer):
    """A duration within bounds; a fraction is rounded half up."""

    def __init__(self, minimum: int, maximum: int, **options: Any) -> None:
        metadata = {"type": "number", "description": "A fraction is rounded half up."}
        super().__init__(minimum, maximum, metadata=metadata, **options)
        self._bounds = Bounds(minimum, maximum)

    def _take(self, value: Any) -> int:
        if type(value) is int:
            return value
        if type(value) is not float:
            raise refuse("invalid_type", "must be a number of milliseconds")
        # Before it is rounded: else -0.4 would be 0. NaN and infinity are out of bounds too.
        self._bounds(value)
        whole = math.floor(value)
        # Not floor(value + 0.5): that sum is rounded, and 0.49999999999999994 would be 1.
        return whole + (value - whole >= 0.5)
