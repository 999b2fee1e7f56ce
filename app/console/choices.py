"""Read the choices in the query of a page."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from flask import request

from app.http.request_errors import InvalidFields, field_error

Choice = TypeVar("Choice", bound=StrEnum)
MAX_WORDS_LENGTH = 100
# Longer texts are refused before they are read: Python reads no number of 5,000 digits.
_MOST_DIGITS = 6


def chosen(name: str, kind: type[Choice], default: Choice) -> Choice:
    """Return the parameter `name`; raises InvalidFields for a value that `kind` lacks."""
    text = request.args.get(name, default.value)
    allowed = [each.value for each in kind]
    if text not in allowed:
        message = f"`{name}` must be one of {', '.join(allowed)}."
        raise InvalidFields([field_error(name, "not_allowed", message, allowed)])
    return kind(text)


def words(name: str) -> str:
    """Return the text of a filter, without blanks around it."""
    return request.args.get(name, "").strip()[:MAX_WORDS_LENGTH]


def page_number() -> int:
    """Return the parameter `page`; raises InvalidFields unless it is a whole number from 1 on."""
    text = request.args.get("page", "1")
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not is_number or int(text) == 0:
        message = "`page` must be a whole number from 1 on."
        raise InvalidFields([field_error("page", "out_of_range", message, {"min": 1})])
    return int(text)


def problems_of(work: Callable[[], object]) -> dict[str, str]:
    """Run `work`; return the errors of fields that it raises, as texts by the name of the field."""
    try:
        work()
    except InvalidFields as error:
        return {each["field"]: each["message"] for each in error.field_errors}
    return {}
