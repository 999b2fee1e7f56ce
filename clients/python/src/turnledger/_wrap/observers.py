"""Read the numbers of a stream, event by event; texts are looked at only for being empty."""

from __future__ import annotations

from typing import Any, Protocol

from .._call import Call
from .._core.values import Outcome
from . import shapes

End = tuple[Outcome, str | None, tuple[str, ...]]
NO_FINISH = "no_finish"
_TEXTS = ("content", "tool_calls", "refusal", "reasoning_content", "reasoning", "function_call")


class Observer(Protocol):
    """Sees each event of one stream, and says at its end how the call ended."""

    def see(self, event: Any) -> bool:
        """Note an event; return True if the caller did not ask for it."""

    def end(self) -> End:
        """Return how a stream ended that was read to its end."""


class ChatObserver:
    """Chunks of chat and text completions."""

    __slots__ = ("_call", "_has_finished", "_has_other_reason", "_hides_usage")

    def __init__(self, call: Call, *, hides_usage: bool) -> None:
        self._call = call
        self._hides_usage = hides_usage
        self._has_finished = False
        self._has_other_reason = False

    def see(self, event: Any) -> bool:
        """Note a chunk; return True if it only has the usage that this package asked for."""
        call = self._call
        choices = event.choices
        if call.model is None:
            call.model = shapes.model_of(event.model)
        usage = getattr(event, "usage", None)
        if usage is not None:
            call.input_tokens, call.output_tokens = shapes.tokens_of(usage)
        if not choices:
            return self._hides_usage and usage is not None
        for choice in choices:
            if call.first_token_s is None and _has_text(choice):
                call.first_token()
            reason = choice.finish_reason
            if reason is not None:
                self._has_finished = True
                self._has_other_reason |= reason != "content_filter"
        return False

    def end(self) -> End:
        """Return BLOCKED if a filter stopped every choice."""
        if self._has_finished and not self._has_other_reason:
            return shapes.blocked("content_filter")
        return Outcome.COMPLETED, None if self._has_finished else NO_FINISH, ()


class ResponseObserver:
    """Events of OpenAI's Responses API."""

    __slots__ = ("_call", "_end")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._end: End = (Outcome.COMPLETED, NO_FINISH, ())

    def see(self, event: Any) -> bool:
        """Note an event."""
        name = event.type
        if self._call.first_token_s is None and name.endswith(".delta"):
            self._call.first_token()
        if name in {"response.completed", "response.incomplete", "response.failed"}:
            found = shapes.usage_of(event.response)
            self._call.usage(**found._asdict())
            self._end = shapes.end_of_response(event.response)
        elif name == "error":
            self._end = Outcome.FAILED, "response_failed", ()
        return False

    def end(self) -> End:
        """Return the end that the last event named."""
        return self._end


class MessageObserver:
    """Events of Anthropic's Messages API."""

    __slots__ = ("_call", "_end")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._end: End = (Outcome.COMPLETED, NO_FINISH, ())

    def see(self, event: Any) -> bool:
        """Note an event."""
        name = event.type
        if name == "content_block_delta":
            self._call.first_token()
        elif name == "message_start":
            self._call.model = shapes.model_of(event.message.model)
            self._take(event.message.usage)
        elif name == "message_delta":
            self._take(event.usage)
            reason = event.delta.stop_reason
            if reason is not None:
                blocked = reason == "refusal"
                self._end = shapes.blocked("refusal") if blocked else (Outcome.COMPLETED, None, ())
        return False

    def end(self) -> End:
        """Return BLOCKED if the model refused."""
        return self._end

    def _take(self, usage: Any) -> None:
        """Take the larger of each number: the last event may leave out what the first has."""
        call = self._call
        read, written = shapes.tokens_of(usage)
        call.input_tokens = _larger(call.input_tokens, read)
        call.output_tokens = _larger(call.output_tokens, written)


def _has_text(choice: Any) -> bool:
    delta = getattr(choice, "delta", None)
    if delta is None:
        return bool(getattr(choice, "text", None))
    return any(getattr(delta, name, None) for name in _TEXTS)


def _larger(known: int | None, new: int | None) -> int | None:
    if known is None or new is None:
        return new if known is None else known
    return max(known, new)
