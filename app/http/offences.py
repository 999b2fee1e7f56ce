"""From a schema's complaints to the validation problem that a client reads."""

from typing import Any

from marshmallow import Schema, ValidationError

from app.http.fields import Reason, reasons_by_path
from app.http.problems import Offence, Problem, offence

MOST_OFFENCES = 50
_LONGEST_NAME = 64


def load(schema: Schema, data: Any, *, whole: str = "body") -> Any:
    """`schema.load(data)`, or a validation problem that lists every offence.

    `whole` names the thing itself where no field of it is to blame.
    """
    try:
        return schema.load(data)
    except ValidationError as error:
        raise Problem.invalid(_offences(error, whole)) from None


def _offences(error: ValidationError, whole: str) -> list[Offence]:
    found = reasons_by_path(error.messages)
    return [_offence(path or whole, reason) for path, reason in found[:MOST_OFFENCES]]


def _offence(path: str, reason: Reason) -> Offence:
    # The name of an unknown field is the client's own text: echoed, but never at full length.
    name = path if len(path) <= _LONGEST_NAME else f"{path[:_LONGEST_NAME]}…"
    return offence(name, reason.code, f"`{name}` {reason.message}.", reason.allowed)
