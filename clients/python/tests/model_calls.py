"""Calls of model clients, and what of a turn they decide."""

from collections.abc import Callable
from typing import Any

import anthropic
import openai

MESSAGES: list[Any] = [{"role": "user", "content": "hello"}]
PLAIN = {"model": "m-1", "messages": MESSAGES}


def chat(client: openai.OpenAI, **changes: Any) -> Any:
    return client.chat.completions.create(**{**PLAIN, **changes})


def message(client: anthropic.Anthropic, **changes: Any) -> Any:
    return client.messages.create(**{**PLAIN, "max_tokens": 9, **changes})


def respond(client: openai.OpenAI, **changes: Any) -> Any:
    return client.responses.create(**{"model": "m-1", "input": "hello", **changes})


def usage(turn: dict[str, Any]) -> tuple[Any, ...]:
    names = ("llm_provider", "llm_model", "input_tokens", "output_tokens")
    return tuple(turn["usage"].get(name) for name in names)


OPENAI: list[Callable[..., Any]] = [chat, respond]
