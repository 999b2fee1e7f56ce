"""Load data by a schema; raise its field errors as clients read them."""

from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

from marshmallow import ValidationError

from app.http.field_errors import field_errors
from app.http.fields import StrictSchema
from app.http.request_errors import FieldError, InvalidFields, field_error
from app.http.rules import Reason

MAX_FIELD_ERRORS = 50
_MAX_NAME = 64


def load(
    schema: StrictSchema,
    data: Any,
    *,
    whole: str = "body",
    max_field_errors: int = MAX_FIELD_ERRORS,
    hint: Callable[[str], str] = lambda _path: "",
) -> Any:
    """Return `schema.load(data)`; InvalidFields with its field errors if it is not valid.

    `whole` names `data` where no field of it is wrong; `hint` ends the sentence about a field.
    Finds at most `max_field_errors` errors. If there are more, the last entry says so.
    """
    with suppress(ValidationError):
        return schema.accept(data)
    found = list(islice(field_errors(schema, data), max_field_errors + 1))
    if not found:
        # `accept` declined what the full rules allow: marshmallow has the last word.
        return schema.load(data)
    listed = [
        _field_error(path or whole, reason, hint(path)) for path, reason in found[:max_field_errors]
    ]
    raise InvalidFields(
        [*listed, *([_more(whole, max_field_errors)] if found[max_field_errors:] else [])]
    )


def short_name(name: str) -> str:
    """Cut a name that a client chose, so that it is never echoed at full length."""
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


def _more(whole: str, count: int) -> FieldError:
    message = (
        f"More is wrong than the {count} field errors listed. Correct these, then send it again."
    )
    return field_error(whole, "more", message)


def _field_error(path: str, reason: Reason, hint: str) -> FieldError:
    name = short_name(path)
    return field_error(name, reason.code, f"`{name}` {reason.message}{hint}.", reason.allowed)
