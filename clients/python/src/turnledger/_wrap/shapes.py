"""Read numbers and names from answers of known shapes; their text is not read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .._core.values import Outcome

MODEL = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
_FILTERED = "content_filter"
# The ledger takes no larger number.
_MOST_TOKENS = 100_000_000


class Found(NamedTuple):
    """What an answer says of itself; None where it says nothing."""

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


def usage_of(answer: object) -> Found:
    """Return model and tokens of an answer of OpenAI, Anthropic, or of a similar shape."""
    return Found(model_of(get(answer, "model")), *tokens_of(get(answer, "usage")))


def model_of(name: object) -> str | None:
    """Return the name of a model as the ledger takes it; None if it does not."""
    return name if isinstance(name, str) and MODEL.fullmatch(name) else None


def tokens_of(usage: object) -> tuple[int | None, int | None]:
    """Return input and output tokens.

    | shape | input | output |
    | --- | --- | --- |
    | chat, completions, embeddings | `prompt_tokens` | `completion_tokens` |
    | responses | `input_tokens` | `output_tokens` |
    | Anthropic | `input_tokens` and those of its cache, read and written | `output_tokens` |
    """
    if usage is None:
        return None, None
    prompt = _number(get(usage, "prompt_tokens"))
    if prompt is not None:
        return prompt, _number(get(usage, "completion_tokens"))
    read = _number(get(usage, "input_tokens"))
    if read is not None:
        read += _number(get(usage, "cache_creation_input_tokens")) or 0
        read += _number(get(usage, "cache_read_input_tokens")) or 0
    return read, _number(get(usage, "output_tokens"))


def end_of(answer: object) -> tuple[Outcome, str | None, tuple[str, ...]]:
    """Return how an answer ended: outcome, error code and guardrails."""
    choices = get(answer, "choices")
    if isinstance(choices, list) and choices:
        reasons = [get(choice, "finish_reason") for choice in choices]
        if all(reason == _FILTERED for reason in reasons):
            return blocked(_FILTERED)
    if get(answer, "stop_reason") == "refusal":
        return blocked("refusal")
    return end_of_response(answer)


def end_of_response(answer: object) -> tuple[Outcome, str | None, tuple[str, ...]]:
    """Return how an answer of the Responses API ended."""
    status = get(answer, "status")
    if status == "failed":
        return Outcome.FAILED, "response_failed", ()
    if status == "incomplete" and get(get(answer, "incomplete_details"), "reason") == _FILTERED:
        return blocked(_FILTERED)
    return Outcome.COMPLETED, None, ()


def blocked(reason: str) -> tuple[Outcome, str | None, tuple[str, ...]]:
    """Return the end of an answer that a filter stopped."""
    return Outcome.BLOCKED, None, (reason,)


def get(holder: object, name: str) -> Any:
    """Return an attribute, or an item of a mapping; None if there is none."""
    if isinstance(holder, Mapping):
        return holder.get(name)
    return getattr(holder, name, None)


def _number(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_TOKENS else None
