"""One model call of a turn, and streams that are measured as one."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from ._core.ending import outcome_of
from ._core.values import Outcome

if TYPE_CHECKING:
    from ._turn import OpenTurn

T = TypeVar("T")


class Call:
    """One model call of a turn. Its methods are cheap, and `end` counts once."""

    __slots__ = (
        "_turn",
        "error_code",
        "first_token_s",
        "guardrails",
        "input_tokens",
        "is_ended",
        "last_s",
        "model",
        "outcome",
        "output_tokens",
        "provider",
        "reference",
    )

    def __init__(self, turn: OpenTurn) -> None:
        self._turn = turn
        self.first_token_s: float | None = None
        self.last_s: float | None = None
        self.provider: str | None = None
        self.model: str | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.guardrails: tuple[str, ...] = ()
        self.outcome = Outcome.COMPLETED
        self.error_code: str | None = None
        self.is_ended = False
        # To the stream of the call: keeps the weak reference itself alive.
        self.reference: Any = None

    def first_token(self) -> None:
        """Note that the first token has arrived."""
        if self.first_token_s is None:
            self.first_token_s = monotonic()

    def usage(
        self,
        *,
        provider: str | None = None,
        model: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> None:
        """Note what the model answered about itself; a later word replaces an earlier one."""
        self.provider = provider if provider is not None else self.provider
        self.model = model if model is not None else self.model
        self.input_tokens = input_tokens if input_tokens is not None else self.input_tokens
        self.output_tokens = output_tokens if output_tokens is not None else self.output_tokens

    def end(
        self,
        outcome: Outcome = Outcome.COMPLETED,
        error_code: str | None = None,
        guardrails: tuple[str, ...] = (),
    ) -> None:
        """End the call; only the first end counts."""
        self._turn.note_end(self, outcome, error_code, guardrails)

    def fail(self, error: BaseException) -> None:
        """End the call with an exception of the model's client."""
        outcome, code = outcome_of(error)
        if outcome is Outcome.CANCELLED:
            self.leave()
        else:
            self.end(outcome, code)

    def leave(self) -> None:
        """End the call because its reader left."""
        is_after_token = self.first_token_s is not None
        self.end(Outcome.CLOSED_EARLY if is_after_token else Outcome.CANCELLED)

    def give_back(self) -> None:
        """End a call that never began: a turn of its own is cancelled."""
        self._turn.cancel()
        self.end()


def measured(items: Any, call: Call) -> Any:
    """Return an iterator over `items`, synchronous or not, that measures and ends `call`."""
    return _async_items(items, call) if hasattr(items, "__aiter__") else _items(items, call)


def _items(items: Iterable[T], call: Call) -> Iterator[T]:
    try:
        for item in items:
            call.last_s = monotonic()
            call.first_token()
            yield item
    except GeneratorExit:
        call.leave()
        raise
    except BaseException as error:
        call.fail(error)
        raise
    call.end()


async def _async_items(items: AsyncIterable[T], call: Call) -> AsyncIterator[T]:
    try:
        async for item in items:
            call.last_s = monotonic()
            call.first_token()
            yield item
    except GeneratorExit:
        call.leave()
        raise
    except BaseException as error:
        call.fail(error)
        raise
    call.end()
