"""ASGI middleware: each request that has an identity is a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from ._refusal import BODY, headers_of
from .errors import QuotaExhaustedError

if TYPE_CHECKING:
    from ._async import AsyncLedger

Scope = dict[str, Any]
Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
KEY = "turnledger.turn"
_PARTICIPANTS = ("user_id", "relationship_id", "personality_id")
_PARTS = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})


class TurnMiddleware:
    """Runs HTTP requests as turns of an `AsyncLedger`.

    * `turn_for(scope)` returns the arguments of `ledger.turn`, or None for no turn.
    * `refuse(scope, receive, send, error)` answers a spent quota; without it the answer is 429.

    The turn is in `scope["turnledger.turn"]`. It completes when the application has sent the body.
    Model calls of background tasks are turns of their own, of the same participants.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        ledger: AsyncLedger,
        *,
        turn_for: Callable[[Scope], dict[str, Any] | None],
        refuse: Callable[..., Awaitable[None]] | None = None,
    ) -> None:
        self._app = app
        self._ledger = ledger
        self._turn_for = turn_for
        self._refuse = refuse or refuse_by_429

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        wanted = self._turn_for(scope) if scope["type"] == "http" else None
        if wanted is None:
            await self._app(scope, receive, send)
            return
        turn = self._ledger.turn(**wanted)
        try:
            scope[KEY] = await turn.__aenter__()
        except QuotaExhaustedError as error:
            await self._refuse(scope, receive, send, error)
            return
        answer = _Answer(turn, send)
        try:
            with self._ledger.identity(**{name: wanted.get(name) for name in _PARTICIPANTS}):
                await self._app(scope, receive, answer.send)
        except BaseException as error:
            await answer.leave(error)
            raise
        await answer.leave(asyncio.CancelledError())


class _Answer:
    """An answer that is sent; its last part, or its reader who leaves, ends the turn."""

    def __init__(self, turn: AbstractAsyncContextManager[Any], send: Send) -> None:
        self._turn = turn
        self._send = send
        self._has_left = False

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            await self.leave(asyncio.CancelledError())
            raise
        if message["type"] in _PARTS and not message.get("more_body", False):
            await self.leave(None)

    async def leave(self, error: BaseException | None) -> None:
        """End the turn; only the first end counts."""
        if self._has_left:
            return
        self._has_left = True
        traceback = error.__traceback__ if error else None
        await self._turn.__aexit__(type(error) if error else None, error, traceback)


async def refuse_by_429(
    _scope: Scope, _receive: Receive, send: Send, error: QuotaExhaustedError
) -> None:
    """Answer 429 with `Retry-After`."""
    headers = [(name.encode(), value.encode()) for name, value in headers_of(error).items()]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})
