"""Strict marshmallow fields: no coercion, anchored patterns, and reasons a program can read.

marshmallow's own fields turn "1" into 1 and yes into True, and explain themselves in prose only.
These accept values of their own type only, and refuse others with a `Reason`.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar, cast

from marshmallow import (
    RAISE,
    Schema,
    ValidationError,
    fields,
    missing,
    post_load,
    pre_load,
    validates_schema,
)

from app.http.instant_faults import EXAMPLE, explain
from app.http.instants import DAY_OR_INSTANT_PATTERN, INSTANT_PATTERN, parse_ms, parse_ns
from app.http.rules import Bounds, Count, OneOf, Reason, Shape, refuse
from app.http.strict_json import RepeatedNames

MAX_FIELDS = 64

Accept = Callable[[Any], Any]

_COMMON: dict[str, Any] = {
    "required": [Reason("required", "is required")],
    "null": [Reason("null", "may not be null")],
    "invalid": [Reason("invalid_type", "has the wrong type")],
}


class StrictSchema(Schema):
    """A closed object: a field that is not declared is refused by name.

    Further checks and derived fields go into `check_whole` and `finish`: marshmallow's own hooks do
    not run on valid data.
    """

    class Meta:
        """Refuse unknown fields: that keeps text out of the ledger."""

        unknown = RAISE

    # Rules over several fields in OpenAPI, as JSON Schema; `check_whole` enforces them.
    rules: ClassVar[Mapping[str, Any]] = {}
    error_messages: dict[str, Any] = {  # noqa: RUF012 (as marshmallow declares it)
        "unknown": Reason("unknown", "is not a known field or parameter"),
        "type": Reason("invalid_type", "must be an object"),
    }

    def accept(self, data: Any) -> dict[str, Any]:
        """Return the result of `load` for valid `data`; a ValidationError without reasons if not.

        Runs the same fields in a fraction of the time: marshmallow's own loop collects every field
        error.
        """
        if type(data) is not dict or not data.keys() <= self._keys:
            raise _declined()
        accepted = {}
        for name, key, field, accept in self._accepting:
            if key in data:
                accepted[name] = accept(data[key])
            elif field.required:
                raise _declined()
            elif field.load_default is not missing:
                default = field.load_default
                accepted[name] = default() if callable(default) else default
        self.check_whole(accepted, data)
        return self.finish(accepted)

    def check_whole(self, loaded: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        """Raise a ValidationError for errors that only several fields together show.

        `loaded` are the valid fields of `payload`.
        """

    def finish(self, loaded: dict[str, Any]) -> dict[str, Any]:
        """Return valid data with the fields that are derived from it."""
        return loaded

    @cached_property
    def _accepting(self) -> list[tuple[str, str, fields.Field[Any], Accept]]:
        return [
            (name, field.data_key or name, field, acceptor(field))
            for name, field in self.load_fields.items()
        ]

    @cached_property
    def _keys(self) -> set[str]:
        return {key for _, key, _, _ in self._accepting}

    @pre_load
    def _refuse_whole(self, data: Any, **_: Any) -> Any:
        """Refuse an object with too many fields, or with repeated ones, before they are read."""
        if isinstance(data, Mapping) and len(data) > MAX_FIELDS:
            raise refuse("too_many", f"may have at most {MAX_FIELDS} fields", {"max": MAX_FIELDS})
        if isinstance(data, RepeatedNames):
            reason = Reason("repeated", "may be given only once", {"max_items": 1})
            raise ValidationError({name: [reason] for name in data.repeated})
        return data

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def _check_whole(self, data: dict[str, Any], original: Mapping[str, Any], **_: Any) -> None:
        self.check_whole(data, original)

    @post_load
    def _finish(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return self.finish(data)


class AnswerSchema(StrictSchema):
    """An object in an answer: every field of it is always present."""

    def on_bind_field(self, _name: str, field_obj: fields.Field[Any]) -> None:
        """Describe the field as required, without the default that a request has."""
        field_obj.required = True
        field_obj.load_default = missing


class Described(fields.Field[Any]):
    """A field with a `description` for the OpenAPI document."""

    def __init__(
        self,
        *given: Any,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        words = {"description": description} if description else {}
        super().__init__(*given, metadata={**(metadata or {}), **words}, **options)


class _Strict(Described):
    """A field that accepts values of its own type only, without coercion."""

    default_error_messages = _COMMON
    _types: tuple[type, ...]
    _wanted: str

    def _take(self, value: Any) -> Any:
        """Return the loaded value; a ValidationError if it is of another type."""
        if type(value) not in self._types:
            raise refuse("invalid_type", self._wanted)
        return value

    def accept(self, value: Any) -> Any:
        """Load a value that is present, as `deserialize`."""
        if value is None and self.allow_none:
            return None
        taken = self._take(value)
        for check in self.validators:
            check(taken)
        return taken

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return self._take(value)


class Integer(_Strict, fields.Integer):
    """An integer within bounds; neither a float, nor a numeral, nor a boolean."""

    _types: tuple[type, ...] = (int,)
    _wanted = "must be an integer"

    def __init__(self, minimum: int, maximum: int, **options: Any) -> None:
        super().__init__(validate=Bounds(minimum, maximum), **options)


class Milliseconds(Integer):
    """A duration within bounds; a fraction, as browsers' timers give, is rounded half up."""

    _types = (int, float)
    _wanted = "must be a number of milliseconds"

    def __init__(
        self, minimum: int, maximum: int, *, description: str = "", **options: Any
    ) -> None:
        words = f"{description} In milliseconds; a fraction is rounded half up.".strip()
        metadata = {"type": "number"}
        super().__init__(minimum, maximum, metadata=metadata, description=words, **options)
        self._bounds = Bounds(minimum, maximum)

    def _take(self, value: Any) -> int:
        if type(value) is int:
            return value
        # Before it is rounded: else -0.4 would be 0. NaN and infinity are out of bounds too.
        exact: float = self._bounds(super()._take(value))
        whole = math.floor(exact)
        # Not floor(exact + 0.5): that sum is rounded, and 0.49999999999999994 would be 1.
        return whole + (exact - whole >= 0.5)


class Number(_Strict, fields.Float):
    """A finite number within bounds; neither a numeral nor a boolean."""

    _types = (int, float)
    _wanted = "must be a number"

    def __init__(self, minimum: float, maximum: float, **options: Any) -> None:
        super().__init__(validate=Bounds(minimum, maximum), **options)

    def _take(self, value: Any) -> float:
        return float(super()._take(value))


class Boolean(_Strict, fields.Boolean):
    """`true` or `false`; neither numbers nor words."""

    _types = (bool,)
    _wanted = "must be true or false"


class Text(_Strict, fields.String):
    """A string of any length."""

    _types = (str,)
    _wanted = "must be a string"


class Token(Text):
    """A string without white space that matches an anchored pattern."""

    def __init__(self, pattern: str, **options: Any) -> None:
        super().__init__(validate=Shape(re.compile(pattern, re.ASCII)), **options)


class Choice(Text):
    """One value of an enumeration."""

    def __init__(self, choices: Iterable[str], **options: Any) -> None:
        super().__init__(validate=OneOf(tuple(choices)), **options)


class ListOf(Described, fields.List[Any]):
    """A bounded list of one kind of value."""

    default_error_messages: dict[str, Any] = {  # noqa: RUF012 (as marshmallow declares it)
        **_COMMON,
        "invalid": [Reason("invalid_type", "must be a list")],
    }

    def __init__(
        self, inner: fields.Field[Any], maximum: int, *, minimum: int = 0, **options: Any
    ) -> None:
        self._count = Count(minimum, maximum)
        super().__init__(inner, validate=self._count, **options)

    def accept(self, value: Any) -> list[Any]:
        """Load a value that is present, as `deserialize`."""
        if type(value) is not list:
            raise _declined()
        accept = acceptor(self.inner)
        return [accept(element) for element in self._count(value)]

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        # Before the elements are loaded: a long list must not cost more than a short one.
        if isinstance(value, list):
            self._count(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Part(Described, fields.Nested):
    """A closed object inside another."""

    default_error_messages = _COMMON

    def accept(self, value: Any) -> dict[str, Any] | None:
        """Load a value that is present, as `deserialize`."""
        if value is None and self.allow_none:
            return None
        accepted = cast("StrictSchema", self.schema).accept(value)
        for check in self.validators:
            check(accepted)
        return accepted


class Instant(Text):
    """An ISO-8601 instant with a zone, as a bound; loads to milliseconds since 1970, rounded up."""

    def __init__(self, *, allow_date: bool = False, **options: Any) -> None:
        metadata: dict[str, Any] = {"format": "date-time", "pattern": INSTANT_PATTERN}
        if allow_date:
            metadata = {"minLength": 10, "pattern": DAY_OR_INSTANT_PATTERN}
        super().__init__(metadata=metadata, **options)
        self.allow_date = allow_date

    def _take(self, value: Any) -> Any:
        try:
            return self._parse(super()._take(value))
        except (ValueError, OverflowError):
            days = ["2026-11-23"] if self.allow_date else []
            examples = [*days, EXAMPLE, "2026-11-23T10:00:00.123+01:00"]
            raise refuse("invalid_instant", explain(value), {"examples": examples}) from None

    def _parse(self, text: str) -> int:
        return parse_ms(text, allow_date=self.allow_date)


class ExactInstant(Instant):
    """An ISO-8601 instant with a zone, as an event; loads to nanoseconds since 1970."""

    _parse = staticmethod(parse_ns)


class Numeral(_Strict, fields.Integer):
    """An integer within bounds as a query parameter carries it: digits."""

    def __init__(self, minimum: int, maximum: int, **options: Any) -> None:
        super().__init__(validate=Bounds(minimum, maximum), **options)
        self._allowed = {"min": minimum, "max": maximum}

    def _take(self, value: Any) -> int:
        if not re.fullmatch(r"-?\d{1,9}", value, re.ASCII):
            least, most = self._allowed.values()
            message = f"must be an integer between {least} and {most}"
            raise refuse("invalid_type", message, self._allowed)
        return int(value)


def acceptor(field: fields.Field[Any]) -> Accept:
    """Return the function that loads a value that is present, without marshmallow's own loop."""
    return cast("Accept", getattr(field, "accept", field.deserialize))


def _declined() -> ValidationError:
    return ValidationError("is not good")
