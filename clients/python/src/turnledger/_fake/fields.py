"""Check bodies by the service's rules: closed objects, anchored patterns, bounded numbers."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .wire import ULID, field_error, invalid, parse_ms

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_OLDEST_MS = 48 * _HOUR_MS
_MOST_AHEAD_MS = 5 * 60_000
_MOST_ID_CHARACTERS = 600
_ABSENT = object()
STATUSES = ("completed", "guardrail_blocked", "failed", "timed_out")
MODES = ("stateless", "stateful")

Errors = list[dict[str, Any]]
Rule = Callable[[Any, str, Errors], Any]


class Field(NamedTuple):
    """How one field is read; a field without a default stays absent."""

    rule: Rule
    is_required: bool = False
    may_be_null: bool = False
    default: Any = None


Shape = Mapping[str, Field]


def load(shape: Shape, data: Any, path: str, errors: Errors) -> dict[str, Any]:
    """Return the loaded fields of an object; add what is wrong with it to `errors`."""
    if type(data) is not dict:
        errors.append(field_error(path or "body", "invalid_type", "must be an object"))
        return {}
    prefix = f"{path}." if path else ""
    read = {
        name: _load_field(field, data.get(name, _ABSENT), prefix + name, errors)
        for name, field in shape.items()
    }
    for name in data.keys() - shape.keys():
        message = "is not a known field or parameter"
        errors.append(field_error(prefix + name, "unknown", message))
    return {name: value for name, value in read.items() if value is not _ABSENT}


def _load_field(field: Field, value: Any, path: str, errors: Errors) -> Any:
    """Return the loaded value, its default, or the mark of an absent one."""
    if value is _ABSENT:
        if field.is_required:
            errors.append(field_error(path, "required", "is required"))
        return field.default() if callable(field.default) else field.default
    if value is not None:
        return field.rule(value, path, errors)
    if not field.may_be_null:
        errors.append(field_error(path, "null", "may not be null"))
    return None


def token(pattern: str) -> Rule:
    """Read a string that matches a pattern."""
    compiled = re.compile(pattern, re.ASCII)

    def rule(value: Any, path: str, errors: Errors) -> Any:
        if type(value) is not str:
            errors.append(field_error(path, "invalid_type", "must be a string"))
        elif compiled.fullmatch(value) is None:
            allowed = {"pattern": pattern}
            errors.append(field_error(path, "pattern", f"must match {pattern}", allowed))
        return value

    return rule


def choice(*allowed: str) -> Rule:
    """Read one of a few words."""

    def rule(value: Any, path: str, errors: Errors) -> Any:
        if type(value) is not str:
            errors.append(field_error(path, "invalid_type", "must be a string"))
        elif value not in allowed:
            message = f"must be one of {', '.join(allowed)}"
            errors.append(field_error(path, "not_allowed", message, list(allowed)))
        return value

    return rule


def number(minimum: int, maximum: int, *types: type) -> Rule:
    """Read a number within bounds."""

    def rule(value: Any, path: str, errors: Errors) -> Any:
        if type(value) not in types:
            errors.append(field_error(path, "invalid_type", "must be a number"))
        elif not minimum <= value <= maximum:
            allowed = {"min": minimum, "max": maximum}
            message = f"must be between {minimum} and {maximum}"
            errors.append(field_error(path, "out_of_range", message, allowed))
        return value

    return rule


def integer(minimum: int, maximum: int) -> Rule:
    """Read an integer within bounds."""
    return number(minimum, maximum, int)


def milliseconds(value: Any, path: str, errors: Errors) -> Any:
    """Read a duration of at most a day; a fraction is rounded half up."""
    before = len(errors)
    number(0, _DAY_MS, int, float)(value, path, errors)
    return value if len(errors) > before else math.floor(value + 0.5)


def boolean(value: Any, path: str, errors: Errors) -> Any:
    """Read a truth value."""
    if type(value) is not bool:
        errors.append(field_error(path, "invalid_type", "must be true or false"))
    return value


def words(value: Any, path: str, errors: Errors) -> Any:
    """Read up to ten words."""
    if type(value) is not list:
        errors.append(field_error(path, "invalid_type", "must be a list"))
    elif len(value) > 10:
        allowed = {"min_items": 0, "max_items": 10}
        errors.append(field_error(path, "wrong_count", "must hold 0 to 10 elements", allowed))
    else:
        for index, each in enumerate(value):
            token(_WORD)(each, f"{path}.{index}", errors)
    return value


def instant(value: Any, path: str, errors: Errors) -> Any:
    """Read an instant with a zone; return milliseconds since 1970."""
    at_ms = parse_ms(value) if type(value) is str else None
    if at_ms is None:
        message = "must be an ISO-8601 instant with a zone, such as 2026-11-23T10:00:00Z"
        errors.append(field_error(path, "invalid_instant", message))
    return at_ms


def part(shape: Shape) -> Rule:
    """Read an object within the body."""
    return lambda value, path, errors: load(shape, value, path, errors)


_IDENTIFIER = r"^[A-Za-z0-9._:@|/+=-]{1,128}$"
_SUMMARY = r"^[A-Za-z0-9._:|/+=-]{1,128}$"
_NAME = r"^[A-Za-z0-9._:/-]{1,64}$"
_MODEL = r"^[A-Za-z0-9._:/-]{1,128}$"
_WORD = r"^[a-z0-9_]{1,40}$"
_LABEL = r"^[a-z][a-z0-9_]{0,31}$"
_LEVEL = number(-1, 1, int, float)
_TOKENS = Field(integer(0, 100_000_000), may_be_null=True)

_EMOTION: Shape = {
    "primary": Field(token(_WORD), is_required=True),
    "confidence": Field(number(0, 1, int, float), may_be_null=True),
    "secondary": Field(words, default=list),
    "intensity": Field(token(_LABEL), may_be_null=True),
    "valence": Field(_LEVEL, may_be_null=True),
    "arousal": Field(_LEVEL, may_be_null=True),
}
_MEMORY: Shape = {
    "consulted": Field(boolean, is_required=True),
    "summary_used": Field(token(_SUMMARY), may_be_null=True),
    "significant_moments_referenced": Field(integer(0, 10_000), default=0),
    "model_updated": Field(boolean, default=False),
}
_USAGE: Shape = {
    "turns_consumed": Field(integer(0, 1_000), default=_ABSENT),
    "llm_provider": Field(token(_NAME), may_be_null=True),
    "llm_model": Field(token(_MODEL), may_be_null=True),
    "input_tokens": _TOKENS,
    "output_tokens": _TOKENS,
}
_PEOPLE: Shape = {
    "mode": Field(choice(*MODES), is_required=True),
    "user_id": Field(token(_IDENTIFIER), may_be_null=True),
    "relationship_id": Field(token(_IDENTIFIER), may_be_null=True),
    "personality_id": Field(token(_NAME), is_required=True),
}
_CONTENT: Shape = {
    **_PEOPLE,
    "status": Field(choice(*STATUSES), is_required=True),
    "inferred_emotional_state": Field(part(_EMOTION), may_be_null=True),
    "memory": Field(part(_MEMORY), may_be_null=True),
    "guardrails": Field(
        part({"applied": Field(words, default=list)}), default=lambda: {"applied": []}
    ),
    "usage": Field(part(_USAGE), default=lambda: load(_USAGE, {}, "", [])),
    "latency_ms": Field(milliseconds, is_required=True),
    "time_to_first_token_ms": Field(milliseconds, may_be_null=True),
    "error_code": Field(token(_LABEL), may_be_null=True),
    "turn_id": Field(token(_IDENTIFIER), is_required=True),
}
TURN: Shape = {**_CONTENT, "occurred_at": Field(instant, is_required=True)}
COMPLETION: Shape = _CONTENT
BATCHED_COMPLETION: Shape = {
    **_CONTENT,
    "interaction_id": Field(token(f"^{ULID.pattern}$"), is_required=True),
}
RESERVATION: Shape = {
    **_PEOPLE,
    "turn_id": Field(token(_IDENTIFIER), is_required=True),
    "hold_seconds": Field(integer(10, 3_600), default=150),
}


def load_body(
    shape: Shape, data: Any, now_ms: int, most_errors: int | None = None
) -> dict[str, Any]:
    """Return the fields of a body, or raise the 400 that lists what is wrong."""
    errors: Errors = []
    loaded = load(shape, data, "", errors)
    _check_people(loaded, data, errors)
    if not errors and "status" in shape:
        _check_length(loaded, errors)
    if not errors and "occurred_at" in shape:
        _check_age(loaded["occurred_at"], now_ms, errors)
    if errors:
        raise invalid(_first(errors, most_errors))
    if "status" in shape:
        is_charged = loaded["status"] in ("completed", "guardrail_blocked")
        loaded["usage"] = {"turns_consumed": int(is_charged), **loaded["usage"]}
    return loaded


def _first(errors: Errors, most: int | None) -> Errors:
    """Return so many errors, and one that says that there are more."""
    if most is None or len(errors) <= most:
        return errors
    return [*errors[:most], field_error("body", "more", "has more errors than are listed")]


def _check_people(loaded: Mapping[str, Any], data: Any, errors: Errors) -> None:
    if loaded.get("mode") == "stateful":
        for name in ("user_id", "relationship_id"):
            if data.get(name) is None:
                message = "is required for a stateful turn"
                errors.append(field_error(name, "required", message))


def _check_length(loaded: Mapping[str, Any], errors: Errors) -> None:
    ids = [loaded[name] for name in ("user_id", "relationship_id", "personality_id", "error_code")]
    ids += [loaded["usage"]["llm_provider"], loaded["usage"]["llm_model"]]
    ids.append((loaded["memory"] or {}).get("summary_used"))
    if sum(len(each or "") for each in ids) > _MOST_ID_CHARACTERS:
        message = f"may have at most {_MOST_ID_CHARACTERS} characters in all ids together"
        errors.append(field_error("body", "too_long_together", message))


def _check_age(occurred_at_ms: int, now_ms: int, errors: Errors) -> None:
    if not now_ms - _OLDEST_MS <= occurred_at_ms <= now_ms + _MOST_AHEAD_MS:
        allowed = {"oldest_hours": 48, "ahead_minutes": 5}
        message = "must be within the last 48 hours, at most 5 minutes ahead"
        errors.append(field_error("occurred_at", "out_of_range", message, allowed))
