"""Fields that only answers have; they describe, and load nothing."""

from typing import Any

from marshmallow import validate

from app.http.fields import Integer, Text
from app.http.instants import UTC_INSTANT_PATTERN

# The largest integer that every JSON reader keeps exactly.
MAX_TOTAL = 2**53 - 1


class Total(Integer):
    """A count or a sum: a whole number that is not negative."""

    def __init__(self, description: str, **options: Any) -> None:
        super().__init__(0, MAX_TOTAL, description=description, **options)


class ShownText(Text):
    """A text that is not empty, such as a name or a sentence about an error."""

    def __init__(self, description: str, max_length: int | None = None, **options: Any) -> None:
        length = validate.Length(1, max_length)
        super().__init__(validate=length, description=description, **options)


class UtcInstant(Text):
    """An instant: UTC with milliseconds and `Z`."""

    def __init__(self, description: str, **options: Any) -> None:
        metadata = {"format": "date-time", "pattern": UTC_INSTANT_PATTERN}
        super().__init__(metadata=metadata, description=description, **options)
