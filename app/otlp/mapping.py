"""Map a span to the body of a recording."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.http.durations import DAY_MS
from app.http.instants import format_ms
from app.interactions.schemas import IDENTIFIER, LABEL, MODEL, NAME
from app.otlp import conventions
from app.otlp.spans import Span, Value

_MS_NS = 1_000_000
_MAX_TOKENS = 100_000_000
_PATTERNS = {text: re.compile(text, re.ASCII) for text in (IDENTIFIER, LABEL, MODEL, NAME)}
# Ids of zeros alone are invalid: https://www.w3.org/TR/trace-context/#trace-id
_TRACE_ID = re.compile("(?!0{32})[0-9a-f]{32}", re.ASCII)
_SPAN_ID = re.compile("(?!0{16})[0-9a-f]{16}", re.ASCII)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_LABEL = re.compile(r"[^a-z0-9_]+")
_TIMEOUT = re.compile(r"time(d)?_?out|deadline", re.IGNORECASE)
_LONGEST_LABEL = 32


@dataclass(frozen=True, slots=True)
class Sources:
    """The attributes that name the participants; the first with a usable value is taken.

    `default_personality` is the personality of a span that names none.
    """

    user: Sequence[str]
    relationship: Sequence[str]
    personality: Sequence[str]
    default_personality: str

    @property
    def wanted(self) -> frozenset[str]:
        """The names of all attributes that are looked up."""
        own = (*self.user, *self.relationship, *self.personality)
        return frozenset({*conventions.NAMES, *own})


@dataclass(slots=True)
class _Reader:
    """Reads attributes of one span; `unusable` collects the names of values that were dropped."""

    attributes: Mapping[str, Value]
    unusable: list[str]

    def text(self, names: Sequence[str], pattern: str) -> str | None:
        """Return the first text that matches; note the others."""
        matches = _PATTERNS[pattern].fullmatch
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, str) and matches(value):
                return value
            if value is not None:
                self.unusable.append(name)
        return None

    def number(self, names: Sequence[str], largest: float, scale: int = 1) -> int | None:
        """Return the first number within its bounds, times `scale`; note the others."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, int | float) and 0 <= value * scale <= largest:
                return round(value * scale)
            if value is not None:
                self.unusable.append(name)
        return None


def turn_id_of(span: Span) -> str | None:
    """Return the turn id of a span; None if it has no usable ids."""
    if _TRACE_ID.fullmatch(span.trace_id) and _SPAN_ID.fullmatch(span.span_id):
        return f"otel-{span.trace_id}-{span.span_id}"
    return None


def body_of(span: Span, sources: Sources) -> tuple[dict[str, Any], list[str]]:
    """Return the body of the recording of a span, and the names of attributes without use."""
    unusable: list[str] = []
    reader = _Reader(span.attributes, unusable)
    user = reader.text(sources.user, IDENTIFIER)
    relationship = reader.text(sources.relationship, IDENTIFIER)
    personality = reader.text(sources.personality, NAME) or sources.default_personality
    is_stateful = user is not None and relationship is not None
    status, error_code, guardrails = _end(span, reader)
    body = {
        "turn_id": turn_id_of(span),
        "occurred_at": format_ms(span.start_ns // _MS_NS),
        "mode": "stateful" if is_stateful else "stateless",
        "user_id": user,
        "relationship_id": relationship,
        "personality_id": personality,
        "status": status,
        "latency_ms": min(max(span.end_ns - span.start_ns, 0) // _MS_NS, DAY_MS),
        "time_to_first_token_ms": reader.number(conventions.FIRST_CHUNK_S, DAY_MS, 1_000),
        "error_code": error_code,
        "guardrails": {"applied": guardrails},
        "usage": {
            "llm_provider": _provider(reader),
            "llm_model": reader.text(conventions.MODEL, MODEL),
            "input_tokens": reader.number(conventions.INPUT_TOKENS, _MAX_TOKENS),
            "output_tokens": reader.number(conventions.OUTPUT_TOKENS, _MAX_TOKENS),
        },
    }
    return body, unusable


def _provider(reader: _Reader) -> str | None:
    name = reader.text(conventions.PROVIDER, NAME)
    return conventions.PROVIDERS.get(name, name) if name else None


def _end(span: Span, reader: _Reader) -> tuple[str, str | None, list[str]]:
    """Return status, error code and guardrails."""
    kind = reader.attributes.get(conventions.ERROR_TYPE[0])
    if span.is_error or kind is not None:
        code = _label(kind) if isinstance(kind, str) else None
        if kind is not None and code is None:
            reader.unusable.append(conventions.ERROR_TYPE[0])
        is_late = code is not None and _TIMEOUT.search(code)
        return "timed_out" if is_late else "failed", code, []
    reasons = reader.attributes.get(conventions.FINISH_REASONS[0])
    if isinstance(reasons, tuple) and set(reasons) == {conventions.FILTERED}:
        return "guardrail_blocked", None, [conventions.FILTERED]
    return "completed", None, []


def _label(kind: str) -> str | None:
    """Return the last part of an error's type in snake case; None if that is no label."""
    last = kind.rpartition(".")[2]
    if len(last) > 2 * _LONGEST_LABEL or not _PATTERNS[NAME].fullmatch(last):
        return f"http_{kind}" if kind.isascii() and kind.isdigit() and len(kind) <= 3 else None
    words = _NO_LABEL.sub("_", _WORDS.sub("_", last).lower()).strip("_")[:_LONGEST_LABEL]
    if words.isdigit():
        return f"http_{words}"[:_LONGEST_LABEL]
    return words if _PATTERNS[LABEL].fullmatch(words) else None
