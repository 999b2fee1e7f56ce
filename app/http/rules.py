"""Check single values, and give reasons that a program can read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, validate

# A ULID (https://github.com/ulid/spec), to be anchored.
ULID_PATTERN = "[0-7][0-9A-HJKMNP-TV-Z]{25}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one value is refused: a stable code, words after the field's name, the allowed values."""

    code: str
    message: str
    allowed: Any = None


def refuse(code: str, message: str, allowed: Any = None) -> ValidationError:
    """Return the marshmallow error that carries a `Reason`."""
    return ValidationError([Reason(code, message, allowed)])


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
    """One of a fixed set of values."""

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


class CharactersTogether:
    """Strings of an object, at dotted paths, that have a bounded length together."""

    def __init__(self, paths: Sequence[str], maximum: int) -> None:
        self._names = list(paths)
        self._paths = tuple(path.rpartition(".")[::2] for path in paths)
        self._maximum = maximum

    def __call__(self, value: Mapping[str, Any]) -> None:
        """Refuse `value` if its strings are too long together; a missing one counts as empty."""
        characters = 0
        for part, name in self._paths:
            holder = (value.get(part) or {}) if part else value
            characters += len(holder.get(name) or "")
        if characters > self._maximum:
            raise self._too_long(characters)

    def _too_long(self, characters: int) -> ValidationError:
        named = ", ".join(f"`{name}`" for name in self._names)
        return refuse(
            "too_long_together",
            f"may have at most {self._maximum} characters in {named} together and has "
            f"{characters}: send shorter ones",
            {"max_characters": self._maximum, "fields": self._names},
        )


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
