"""Read query strings strictly: refuse unknown parameters, never ignore them."""

from typing import Any

from flask import request

from app.http import validation
from app.http.fields import StrictSchema
from app.http.request_errors import FieldError, InvalidFields, field_error
from app.http.validation import MAX_FIELD_ERRORS, short_name


class _NoQuery(StrictSchema):
    """The query of a route without parameters."""


_NO_QUERY = _NoQuery()


def refuse_query() -> None:
    """Raise InvalidFields that names every parameter, if there are any."""
    load_query(_NO_QUERY)


def load_query(schema: StrictSchema) -> dict[str, Any]:
    """Load the request's parameters by `schema`.

    Raises InvalidFields that names unknown, repeated or empty parameters.
    """
    arguments = request.args
    if not arguments:
        return dict(validation.load(schema, {}, whole="query"))
    wrong = [
        _field_error(name, values)
        for name, values in arguments.lists()
        if len(values) > 1 or values[0] == ""
    ]
    if wrong:
        raise InvalidFields(wrong[:MAX_FIELD_ERRORS])

    known = [field.data_key or name for name, field in schema.load_fields.items()]

    def hint(name: str) -> str:
        if name in arguments and name not in known:
            return f"; known here: {', '.join(known) or 'none'}"
        return "; write + as %2B in a URL" if " " in arguments.get(name, "") else ""

    return dict(validation.load(schema, arguments.to_dict(), whole="query", hint=hint))


def _field_error(name: str, values: list[str]) -> FieldError:
    name = short_name(name)
    if len(values) > 1:
        return field_error(name, "repeated", f"`{name}` may be given only once.", {"max_items": 1})
    return field_error(name, "empty", f"`{name}` is empty; leave it out or give it a value.")
