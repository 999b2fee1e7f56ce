"""ASGI middleware: each request that has an identity is a turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from .errors import QuotaExhaustedError

if TYPE_CHECKING:
    from ._async import AsyncLedger

Scope = dict[str, Any]
Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
KEY = "turnledger.turn"


class TurnMiddleware:
    """Runs HTTP requests as turns of an `AsyncLedger`.

    * `turn_for(scope)` returns the arguments of `ledger.turn`, or None for no turn.
    * `refuse(scope, receive, send, error)` answers a spent quota; without it the answer is 429.

    The turn is in `scope["turnledger.turn"]`. It completes when the application has sent the body.
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
        try:
            await self._app(scope, receive, send)
        except BaseException as error:
            await turn.__aexit__(type(error), error, error.__traceback__)
            raise
        await turn.__aexit__(None, None, None)


async def refuse_by_429(
    _scope: Scope, _receive: Receive, send: Send, error: QuotaExhaustedError
) -> None:
    """Answer 429 with `Retry-After`."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(int(error.retry_after_s)).encode()))
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": b"The quota of turns is spent.\n"})
