"""From a schema's complaints to the validation problem that a client reads."""

from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

from marshmallow import ValidationError

from app.http.fields import StrictSchema
from app.http.problems import Offence, Problem, offence
from app.http.rules import Reason, reasons_by_path

MAX_OFFENCES = 50
_MAX_NAME = 64


def load(
    schema: StrictSchema,
    data: Any,
    *,
    whole: str = "body",
    max_offences: int = MAX_OFFENCES,
    hint: Callable[[str], str] = lambda _path: "",
) -> Any:
    """`schema.load(data)`, or a validation problem that lists its offences.

    `whole` names the thing itself where no field of it is to blame; `hint` ends the sentence about
    a field.
    """
    with suppress(ValidationError):
        return schema.accept(data)
    try:
        return schema.load(data)
    except ValidationError as error:
        found = islice(reasons_by_path(error.messages), max_offences)
        faults = [_offence(path or whole, reason, hint(path)) for path, reason in found]
        raise Problem.invalid(faults) from None


def short_name(name: str) -> str:
    """A name that a client made up: echoed, but never at full length."""
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


def _offence(path: str, reason: Reason, hint: str) -> Offence:
    name = short_name(path)
    return offence(name, reason.code, f"`{name}` {reason.message}{hint}.", reason.allowed)
