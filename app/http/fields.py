"""Strict marshmallow fields: no coercion, anchored patterns, and reasons a program can read.

marshmallow's own fields turn "1" into 1 and yes into True, and explain themselves in prose only.
These take a value for what it is, and say why not with a `Reason`.
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate

from app.http.instants import parse_ms


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one value was refused: a stable code, words that follow the field's name, a remedy."""

    code: str
    message: str
    allowed: Any = None


def refuse(code: str, message: str, allowed: Any = None) -> ValidationError:
    """The marshmallow error that carries a `Reason`."""
    return ValidationError([Reason(code, message, allowed)])


MAX_FIELDS = 64

_COMMON: dict[str, Any] = {
    "required": [Reason("required", "is required")],
    "null": [Reason("null", "may not be null")],
    "invalid": [Reason("invalid_type", "has the wrong type")],
}


class StrictSchema(Schema):
    """A closed object: a field that is not declared is refused by name."""

    class Meta:
        """Unknown fields are an offence, which is how no text can enter."""

        unknown = RAISE

    error_messages: dict[str, Any] = {  # noqa: RUF012 (as marshmallow declares it)
        "unknown": Reason("unknown", "is not a known field or parameter"),
        "type": Reason("invalid_type", "must be an object"),
    }

    @pre_load
    def _bound_size(self, data: Any, **_: Any) -> Any:
        """Refuse an object that could only be an attack before each of its fields is looked at."""
        if isinstance(data, Mapping) and len(data) > MAX_FIELDS:
            raise refuse("too_many", f"may have at most {MAX_FIELDS} fields", {"max": MAX_FIELDS})
        return data


class AnswerSchema(StrictSchema):
    """What the service tells: every field of it is always there."""

    def on_bind_field(self, _name: str, field_obj: fields.Field[Any]) -> None:
        """Describe the field as required."""
        field_obj.required = True


class Bounds(validate.Range):
    """A number within inclusive bounds."""

    def __call__(self, value: Any) -> Any:
        """Return `value`, or refuse it naming both bounds."""
        if not self.min <= value <= self.max:
            raise refuse(
                "out_of_range",
                f"must be between {self.min} and {self.max}",
                {"min": self.min, "max": self.max},
            )
        return value


class OneOf(validate.OneOf):
    """One of a fixed set of words."""

    def __call__(self, value: Any) -> Any:
        """Return `value`, or refuse it naming the set."""
        if value not in self.choices:
            raise refuse(
                "not_allowed", f"must be one of {', '.join(self.choices)}", list(self.choices)
            )
        return value


class Shape(validate.Regexp):
    """A string that matches an anchored pattern, which also caps its length."""

    def __call__(self, value: Any) -> Any:
        """Return `value`, or refuse it naming the pattern."""
        if self.regex.fullmatch(value) is None:
            pattern = str(self.regex.pattern)
            raise refuse("pattern", f"must match {pattern}", {"pattern": pattern})
        return value


class Count(validate.Length):
    """A list with a bounded number of elements."""

    def __call__(self, value: Any) -> Any:
        """Return `value`, or refuse it naming the bounds."""
        least, most = self.min or 0, self.max or 0
        if not least <= len(value) <= most:
            raise refuse(
                "wrong_count",
                f"must hold {least} to {most} elements",
                {"min_items": least, "max_items": most},
            )
        return value


class _Strict:
    """A field that takes a value for what it is."""

    default_error_messages = _COMMON

    @abstractmethod
    def _take(self, value: Any) -> Any:
        """The loaded value, or the refusal of it."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return self._take(value)


class Integer(_Strict, fields.Integer):
    """An integer within bounds; neither a float, nor a numeral, nor a boolean."""

    def __init__(self, minimum: int, maximum: int, **options: Any) -> None:
        super().__init__(validate=Bounds(minimum, maximum), **options)

    def _take(self, value: Any) -> int:
        if type(value) is not int:
            raise refuse("invalid_type", "must be an integer")
        return value


class Number(_Strict, fields.Float):
    """A finite number within bounds; neither a numeral nor a boolean."""

    def __init__(self, minimum: float, maximum: float, **options: Any) -> None:
        super().__init__(validate=Bounds(minimum, maximum), **options)

    def _take(self, value: Any) -> float:
        if type(value) not in (int, float):
            raise refuse("invalid_type", "must be a number")
        return float(value)


class Boolean(_Strict, fields.Boolean):
    """`true` or `false`, nothing that resembles them."""

    def _take(self, value: Any) -> bool:
        if type(value) is not bool:
            raise refuse("invalid_type", "must be true or false")
        return value


class Token(_Strict, fields.String):
    """A string without white space that matches an anchored pattern."""

    def __init__(self, pattern: str, **options: Any) -> None:
        super().__init__(validate=Shape(re.compile(pattern, re.ASCII)), **options)

    def _take(self, value: Any) -> str:
        return _string(value)


class Choice(_Strict, fields.String):
    """One word of an enumeration."""

    def __init__(self, choices: Iterable[str], **options: Any) -> None:
        super().__init__(validate=OneOf(tuple(choices)), **options)

    def _take(self, value: Any) -> str:
        return _string(value)


class ListOf(fields.List[Any]):
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

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        # Before the elements are looked at, or a long list would cost what it likes.
        if isinstance(value, list):
            self._count(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Part(fields.Nested):
    """A closed object inside another."""

    default_error_messages = _COMMON


class Instant(_Strict, fields.String):
    """An ISO-8601 instant with a zone; loads to milliseconds since 1970, rounded up."""

    def __init__(
        self, *, allow_date: bool = False, description: str | None = None, **options: Any
    ) -> None:
        kind = {"description": "An instant, or a day."} if allow_date else {"format": "date-time"}
        told = {"description": description} if description else {}
        super().__init__(metadata=kind | told, **options)
        self.allow_date = allow_date

    def _take(self, value: Any) -> Any:
        try:
            return parse_ms(_string(value), allow_date=self.allow_date)
        except (ValueError, OverflowError):
            # Days are welcome in query strings only, and only there a plus becomes a blank.
            hint = "; write + as %2B in a URL" if self.allow_date and " " in value else ""
            examples = ["2026-11-23T10:00:00Z", "2026-11-23T10:00:00.123+01:00"]
            message = f"must be an ISO-8601 instant with a zone, such as {examples[0]}{hint}"
            days = ["2026-11-23"] if self.allow_date else []
            raise refuse("invalid_instant", message, {"examples": days + examples}) from None


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


def _string(value: Any) -> str:
    if type(value) is not str:
        raise refuse("invalid_type", "must be a string")
    return value


def reasons_by_path(messages: Any, path: Sequence[str] = ()) -> Iterator[tuple[str, Reason]]:
    """Flatten marshmallow's nested messages into (`usage.input_tokens`, reason) pairs."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from reasons_by_path(inner, path if key == "_schema" else (*path, str(key)))
    else:
        for message in messages:
            yield ".".join(path), _as_reason(message)


def _as_reason(message: Any) -> Reason:
    return message if isinstance(message, Reason) else Reason("invalid", "is not valid")
