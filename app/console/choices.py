"""Read the choices in the query of a page."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from flask import request

from app.http.request_errors import InvalidFields, field_error

Choice = TypeVar("Choice", bound=StrEnum)
# Longer texts of a query are cut: none names anything.
MOST_TEXT = 100
# The value of a filter that does not filter.
ALL = "all"
# Longer texts are refused before they are read: Python reads no number of 5,000 digits.
_MOST_DIGITS = 6


def chosen(name: str, kind: type[Choice], default: Choice) -> Choice:
    """Return the parameter `name`; raises InvalidFields for a value that `kind` lacks."""
    text = request.args.get(name, default.value)
    _require_one_of(name, text, [each.value for each in kind])
    return kind(text)


def chosen_or_all(values: Mapping[str, str], name: str, kind: type[Choice]) -> Choice | None:
    """Return the filter `name`, None for all; raises InvalidFields as `chosen`."""
    text = values.get(name, ALL)
    _require_one_of(name, text, [ALL, *(each.value for each in kind)])
    return None if text == ALL else kind(text)


def words(name: str) -> str:
    """Return the text of a filter, without blanks around it."""
    return request.args.get(name, "").strip()[:MOST_TEXT]


def page_number() -> int:
    """Return the parameter `page`; raises InvalidFields unless it is a whole number from 1 on."""
    text = request.args.get("page", "1")
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not is_number or int(text) == 0:
        message = "`page` must be a whole number from 1 on."
        raise InvalidFields([field_error("page", "out_of_range", message, {"min": 1})])
    return int(text)


def _require_one_of(name: str, text: str, allowed: Sequence[str]) -> None:
    if text not in allowed:
        message = f"`{name}` must be one of {', '.join(allowed)}."
        raise InvalidFields([field_error(name, "not_allowed", message, list(allowed))])
