"""From a schema's complaints to the validation problem that a client reads."""

from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

from marshmallow import ValidationError

from app.http.field_errors import field_errors
from app.http.fields import StrictSchema
from app.http.problems import Offence, Problem, offence
from app.http.rules import Reason

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
    """`schema.load(data)`, or a validation problem that lists its field errors.

    `whole` names the thing itself where no field of it is to blame; `hint` ends the sentence about
    a field. Only `max_offences` errors are looked for; if there are more, the last entry says so.
    """
    with suppress(ValidationError):
        return schema.accept(data)
    found = list(islice(field_errors(schema, data), max_offences + 1))
    if not found:
        return schema.load(data)
    listed = [_offence(path or whole, reason, hint(path)) for path, reason in found[:max_offences]]
    raise Problem.invalid(
        [*listed, *([_more(whole, max_offences)] if found[max_offences:] else [])]
    )


def short_name(name: str) -> str:
    """A name that a client made up: echoed, but never at full length."""
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


def _more(whole: str, count: int) -> Offence:
    message = (
        f"More is wrong than the {count} field errors listed. Correct these, then send it again."
    )
    return offence(whole, "more", message)


def _offence(path: str, reason: Reason, hint: str) -> Offence:
    name = short_name(path)
    return offence(name, reason.code, f"`{name}` {reason.message}{hint}.", reason.allowed)
