"""WSGI middleware: each request that has an identity is a turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from ._refusal import BODY, headers_of
from .errors import QuotaExhaustedError

if TYPE_CHECKING:
    from ._sync import Ledger

Environ = dict[str, Any]
KEY = "turnledger.turn"


class TurnMiddleware:
    """Runs requests as turns of `ledger`.

    * `turn_for(environ)` returns the arguments of `ledger.turn`, or None for no turn.
    * `refuse(environ, start_response, error)` answers a spent quota; without it the answer is 429.

    The turn is in `environ["turnledger.turn"]`. It completes when the body is closed.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        ledger: Ledger,
        *,
        turn_for: Callable[[Environ], dict[str, Any] | None],
        refuse: Callable[..., Iterable[bytes]] | None = None,
    ) -> None:
        self._app = app
        self._ledger = ledger
        self._turn_for = turn_for
        self._refuse = refuse or refuse_by_429

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        wanted = self._turn_for(environ)
        if wanted is None:
            return self._app(environ, start_response)
        # The request has a context of its own: its turn is current only while its code runs.
        context = copy_context()
        stack = ExitStack()
        try:
            turn = context.run(stack.enter_context, self._ledger.turn(**wanted))
        except QuotaExhaustedError as error:
            return self._refuse(environ, start_response, error)
        environ[KEY] = turn
        try:
            body = context.run(self._app, environ, start_response)
            items = context.run(iter, body)
        except BaseException as error:
            context.run(stack.__exit__, type(error), error, error.__traceback__)
            raise
        return _Body(body, items, lambda *error: context.run(stack.__exit__, *error), context.run)


class _Body:
    """The body of an answer, whose end ends the turn."""

    def __init__(
        self,
        body: Iterable[bytes],
        items: Iterator[bytes],
        leave: Callable[..., Any],
        run: Callable[..., Any],
    ) -> None:
        self._body = body
        self._items = items
        self._leave = leave
        self._run = run
        self._has_ended = False

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        try:
            part: bytes = self._run(next, self._items)
        except StopIteration:
            self._has_ended = True
            raise
        except BaseException as error:
            self._leave(type(error), error, error.__traceback__)
            raise
        return part

    def close(self) -> None:
        """Close the body; a body that was not read to its end was left by its reader."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                self._run(close)
        finally:
            is_read = self._has_ended or isinstance(self._body, list)
            error = None if is_read else GeneratorExit()
            self._leave(error and type(error), error, None)


def refuse_by_429(
    _environ: Environ, start_response: Callable[..., Any], error: QuotaExhaustedError
) -> Iterable[bytes]:
    """Answer 429 with `Retry-After`."""
    start_response("429 Too Many Requests", list(headers_of(error).items()))
    return [BODY]
