"""Errors of this room: plain exceptions whose text is a sentence for clients and operators."""

from collections.abc import Mapping
from typing import Any

from app.http.request_errors import InvalidFields, field_error


class RangeNotAnswerable(InvalidFields):
    """The parameter `name` asks for what cannot be answered; `allowed` bounds what can."""

    def __init__(self, name: str, reason: str, allowed: Mapping[str, Any]) -> None:
        super().__init__([field_error(name, "out_of_range", f"`{name}` {reason}.", allowed)])


class ArchiveMovedOn(Exception):
    """The archive committed days faster than they could be read; a retry succeeds as a rule."""

    def __init__(self) -> None:
        super().__init__("The archive is catching up. Retry after 1 second.")


class DayTooOld(InvalidFields):
    """The turns of `day` expire now or are gone; those of the day `oldest` and later are not."""

    def __init__(self, day: str, oldest: str) -> None:
        reason = (
            f"The turns of {day} have expired, or will within the hour. Days from {oldest} on can "
            "be rebuilt. Nothing was changed."
        )
        super().__init__([field_error("day", "out_of_range", reason, {"min": oldest})])
