"""Find the field errors of data one by one, so that the caller decides how many to find.

marshmallow finds every error before it reports the first, so a small body full of mistakes would
cost far more than a valid one. Both find the same errors.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from marshmallow import ValidationError, fields, missing

from app.http.fields import MAX_FIELDS, ListOf, Part, StrictSchema, acceptor
from app.http.rules import Reason, reasons_by_path

Path = tuple[str, ...]
FieldErrors = Iterator[tuple[str, Reason]]


def field_errors(schema: StrictSchema, data: Any, path: Path = ()) -> FieldErrors:
    """Yield the path and the reason of each field error of `data`; nothing if it is valid."""
    if type(data) is not dict or len(data) > MAX_FIELDS:
        # Refused as a whole, before any field is read.
        yield from _reasons(schema.load, data, path)
        return
    loaded: dict[str, Any] = {}
    known = set()
    for name, field in schema.load_fields.items():
        key = field.data_key or name
        known.add(key)
        if key not in data:
            if field.required:
                yield from _reasons(field.deserialize, missing, (*path, key))
            continue
        try:
            loaded[name] = acceptor(field)(data[key])
        except ValidationError:
            yield from _of_field(field, data[key], (*path, key))
    for key in data:
        if key not in known:
            yield ".".join((*path, key)), cast("Reason", schema.error_messages["unknown"])
    yield from _reasons(lambda sent: schema.check_whole(loaded, sent), data, path)


def _of_field(field: fields.Field[Any], value: Any, path: Path) -> FieldErrors:
    """Yield the errors of a value that its field does not accept."""
    if isinstance(field, Part) and isinstance(value, Mapping):
        yield from field_errors(cast("StrictSchema", field.schema), value, path)
    elif isinstance(field, ListOf) and isinstance(value, list) and not _is_miscounted(field, value):
        for index, element in enumerate(value):
            yield from _of_element(field.inner, element, (*path, str(index)))
    else:
        yield from _reasons(field.deserialize, value, path)


def _is_miscounted(field: ListOf, value: list[Any]) -> bool:
    try:
        for check in field.validators:
            check(value)
    except ValidationError:
        return True
    return False


def _of_element(field: fields.Field[Any], value: Any, path: Path) -> FieldErrors:
    try:
        acceptor(field)(value)
    except ValidationError:
        yield from _of_field(field, value, path)


def _reasons(judge: Callable[[Any], object], value: Any, path: Path) -> FieldErrors:
    try:
        judge(value)
    except ValidationError as error:
        yield from reasons_by_path(error.messages, path)
