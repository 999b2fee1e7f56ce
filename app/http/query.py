"""Query strings, read strictly: what is not understood is refused, never ignored."""

from typing import Any

from flask import request
from marshmallow import Schema

from app.http import offences
from app.http.fields import StrictSchema
from app.http.offences import MOST_OFFENCES
from app.http.problems import Problem, offence


class NoQuery(StrictSchema):
    """An endpoint that takes no parameters."""


def load_query(schema: Schema) -> dict[str, Any]:
    """The request's parameters as `schema` reads them.

    Unknown, repeated or empty parameters are a validation problem that names them.
    """
    arguments = request.args
    if not arguments:
        return dict(offences.load(schema, {}, whole="query"))
    wrong = [
        _blame(name, values)
        for name, values in arguments.lists()
        if len(values) > 1 or values[0] == ""
    ]
    if wrong:
        raise Problem.invalid(wrong[:MOST_OFFENCES])
    return dict(offences.load(schema, arguments.to_dict(), whole="query"))


def _blame(name: str, values: list[str]) -> dict[str, Any]:
    name = name[:64]
    if len(values) > 1:
        return offence(name, "repeated", f"`{name}` may be given only once.", {"max_items": 1})
    return offence(name, "empty", f"`{name}` is empty; leave it out or give it a value.")
