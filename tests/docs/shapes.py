"""Compares an answer that a page prints with the true one, in shape."""

import json
import re
from collections.abc import Iterator
from typing import Any

# Words that programs decide by: these are compared as they are.
EXACT = frozenset(
    {
        "code",
        "message",
        "type",
        "status",
        "field",
        "component",
        "mode",
        "overage_policy",
        "environment",
    }
)
# Objects whose names are data.
MAPS = frozenset({"primary_emotion_distribution"})
_MASKS = (
    (r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00))?", "DATE"),
    (r"\b(int|org|key)_[0-9A-HJKMNP-TV-Z]{26}\b", r"\1_ID"),
    (r"\buniq_(live|test)_[A-Za-z0-9…]+", r"uniq_\1_KEY"),
    (r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "ID"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"\b\d[\d,]*(\.\d+)?\b", "0"),
    (r"[─━]+", "─"),
    (r"[ \t]+", " "),
)


def masked(text: str) -> str:
    """Return the text without instants, ids, numbers and widths."""
    for pattern, word in _MASKS:
        text = re.sub(pattern, word, text)
    return text.strip()


def text_differences(printed: str, true: str) -> Iterator[str]:
    """Yield a difference if lines differ in more than instants, ids and numbers."""
    lines = [[masked(line) for line in text.strip().splitlines()] for text in (printed, true)]
    if lines[0] != lines[1]:
        yield f"printed\n{printed}\nbut the command prints\n{true}"


def json_differences(printed: str, true: str, *, is_exact: bool = True) -> Iterator[str]:
    """Yield the differences in shape between two sequences of JSON values.

    Unless `is_exact`, words that programs decide by may differ too: the answer shows any turn.
    """
    shown = list(json_values(printed))
    try:
        answered = list(json_values(true))
    except ValueError:
        yield f"the answer is no JSON: {true}"
        return
    if len(shown) != len(answered):
        yield f"{len(shown)} answers are printed, {len(answered)} came: {true}"
    exact = EXACT if is_exact else frozenset()
    for left, right in zip(shown, answered, strict=False):
        yield from _differences(left, right, "$", "", exact)


def json_values(text: str) -> Iterator[Any]:
    """Yield the JSON values that a text consists of."""
    decoder, position = json.JSONDecoder(), 0
    while (rest := text[position:].lstrip()) != "":
        value, length = decoder.raw_decode(rest)
        yield value
        position = len(text) - len(rest) + length


def _differences(
    shown: Any, true: Any, path: str, name: str, exact: frozenset[str]
) -> Iterator[str]:
    if shown is None or true is None:
        return
    is_alike = _kind(shown) == _kind(true)
    if is_alike and isinstance(shown, dict) and name not in MAPS:
        yield from _object_differences(shown, true, path, exact)
    elif is_alike and isinstance(shown, list):
        yield from _list_differences(shown, true, path, name, exact)
    elif not is_alike or not _is_same_word(shown, true, name in exact):
        yield f"{path}: printed {shown!r}, answered {true!r}"


def _object_differences(shown: Any, true: Any, path: str, exact: frozenset[str]) -> Iterator[str]:
    if shown.keys() != true.keys():
        yield f"{path}: only one of them has {sorted(shown.keys() ^ true.keys())}"
    for key in shown.keys() & true.keys():
        yield from _differences(shown[key], true[key], f"{path}.{key}", key, exact)


def _list_differences(
    shown: Any, true: Any, path: str, name: str, exact: frozenset[str]
) -> Iterator[str]:
    """Compare elements; only a list of words may be empty where the other is not."""
    if shown and isinstance(shown[0], dict) and not true:
        yield f"{path}: printed {shown!r}, answered nothing"
    for number, (left, right) in enumerate(zip(shown, true, strict=False)):
        yield from _differences(left, right, f"{path}[{number}]", name, exact)


def _is_same_word(shown: Any, true: Any, is_exact: bool) -> bool:
    """Return True if the two mean the same to a program."""
    if not isinstance(shown, str) or (not is_exact and "DATE" not in masked(shown)):
        return True
    return masked(shown) == masked(true)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__
