"""Errors of forms as texts by the name of their field."""

from collections.abc import Callable

from app.http.request_errors import InvalidFields


def problems_in(error: InvalidFields) -> dict[str, str]:
    """Return the errors of fields."""
    return {each["field"]: each["message"] for each in error.field_errors}


def problems_of(work: Callable[[], object]) -> dict[str, str]:
    """Run `work`; return the errors of fields that it raises."""
    try:
        work()
    except InvalidFields as error:
        return problems_in(error)
    return {}
