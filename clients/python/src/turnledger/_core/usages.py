"""Sum up what the model calls of a turn have used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Provider, model, input tokens and output tokens of a call.
CallUsage = tuple["str | None", "str | None", "int | None", "int | None"]


def summed(usages: Sequence[CallUsage]) -> dict[str, Any]:
    """Return the usage of a turn: the sums, and the names of the call with the largest output."""
    if not usages:
        return {}
    provider, model, *_ = max(usages, key=lambda each: each[3] or 0)
    named = {
        "llm_provider": provider,
        "llm_model": model,
        "input_tokens": _sum([each[2] for each in usages]),
        "output_tokens": _sum([each[3] for each in usages]),
    }
    return {name: value for name, value in named.items() if value is not None}


def plain(usages: Sequence[CallUsage]) -> list[CallUsage]:
    """Return the usages without values of other types, which a program may have given."""
    return [
        (text_or_none(provider), text_or_none(model), _number(read), _number(written))
        for provider, model, read, written in usages
    ]


def text_or_none(value: object) -> str | None:
    """Return a text as it is, and None for anything else."""
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
