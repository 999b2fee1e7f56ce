"""The ledger for asyncio: the verbs of `Ledger`, in threads of its own.

One HTTP client serves all event loops, so nothing is bound to a loop. Leaving a turn writes to the
outbox and awaits nothing, also while its task is being cancelled.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ._core.config import OnUnavailable
from ._core.identity import Identity, enter_turn, leave_turn
from ._sync import Ledger
from ._threads import in_thread
from ._turn import OpenTurn
from .models import AggregateBucket, Interaction, Limits, Me, UsageBucket
from .types import BatchResult, Recorded, Reservation, Stats, Turn

if TYPE_CHECKING:
    from ._outbox.base import Store

C = TypeVar("C")
T = TypeVar("T")
_THREADS_COUNT = 32
_END: Any = object()


class AsyncLedger:
    """A client of a ledger for asyncio; the arguments are those of `Ledger`."""

    def __init__(self, url: str | None = None, key: str | None = None, **options: Any) -> None:
        self.ledger = Ledger(url, key, **options)
        self._process_id = 0
        self._pool = self._own_pool()

    async def record(self, turn: Turn) -> Recorded:
        """As `Ledger.record`."""
        return await self._run(self.ledger.record, turn)

    async def record_many(
        self, turns: Iterable[Turn], *, concurrency: int = 4
    ) -> AsyncIterator[BatchResult]:
        """As `Ledger.record_many`."""
        results = self.ledger.record_many(turns, concurrency=concurrency)
        while (result := await self._run(next, results, _END)) is not _END:
            yield result

    async def reserve(self, **options: Any) -> Reservation:
        """As `Ledger.reserve`."""
        return await self._run(self.ledger.reserve, **options)

    async def complete(self, reservation: Reservation, turn: Turn) -> Recorded:
        """As `Ledger.complete`."""
        return await self._run(self.ledger.complete, reservation, turn)

    async def cancel(self, reservation: Reservation) -> None:
        """As `Ledger.cancel`."""
        await self._run(self.ledger.cancel, reservation)

    @asynccontextmanager
    async def turn(
        self,
        *,
        user_id: str | None = None,
        relationship_id: str | None = None,
        personality_id: str | None = None,
        mode: str | None = None,
        turn_id: str | None = None,
        reserve: bool = True,
        hold_seconds: int | None = None,
        on_unavailable: OnUnavailable | None = None,
    ) -> AsyncIterator[OpenTurn]:
        """As `Ledger.turn`; entering awaits the reservation."""
        who = self.ledger.identify(Identity(user_id, relationship_id, personality_id, mode))
        begin = partial(
            self.ledger.begin,
            who,
            turn_id=turn_id,
            reserve=reserve,
            hold_seconds=hold_seconds,
            on_unavailable=on_unavailable,
        )
        turn = await self._held(begin) if reserve else begin()
        enter_turn(turn)
        try:
            yield turn
        except BaseException as error:
            leave_turn(turn)
            turn.leave(error)
            raise
        leave_turn(turn)
        turn.leave(None)

    def wrap(self, client: C, **options: Any) -> C:
        """As `Ledger.wrap`, for asynchronous clients too."""
        return self.ledger.wrap(client, **options)

    def identity(self, **who: str | None) -> AbstractContextManager[None]:
        """As `Ledger.identity`."""
        return self.ledger.identity(**who)

    async def interactions(self, **filters: Any) -> AsyncIterator[Interaction]:
        """As `Ledger.interactions`."""
        items = self.ledger.interactions(**filters)
        while (item := await self._run(next, items, _END)) is not _END:
            yield item

    async def interaction(self, interaction_id: str) -> Interaction:
        """As `Ledger.interaction`."""
        return await self._run(self.ledger.interaction, interaction_id)

    async def aggregates(self, **filters: Any) -> list[AggregateBucket]:
        """As `Ledger.aggregates`."""
        return await self._run(self.ledger.aggregates, **filters)

    async def usage(self, **filters: Any) -> list[UsageBucket]:
        """As `Ledger.usage`."""
        return await self._run(self.ledger.usage, **filters)

    async def limits(self) -> Limits:
        """As `Ledger.limits`."""
        return await self._run(self.ledger.limits)

    async def me(self) -> Me:
        """As `Ledger.me`."""
        return await self._run(self.ledger.me)

    async def flush(self, timeout_s: float | None = None) -> bool:
        """As `Ledger.flush`."""
        return await self._run(self.ledger.flush, timeout_s)

    async def close(self, timeout_s: float = 2.0) -> bool:
        """As `Ledger.close`."""
        try:
            return await self._run(self.ledger.close, timeout_s)
        finally:
            self._pool.shutdown(wait=False)
            self._process_id = 0  # a later call makes a new pool

    def stats(self) -> Stats:
        """As `Ledger.stats`."""
        return self.ledger.stats()

    @property
    def outbox(self) -> Store:
        """As `Ledger.outbox`."""
        return self.ledger.outbox

    async def __aenter__(self) -> AsyncLedger:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _held(self, begin: Callable[[], OpenTurn]) -> OpenTurn:
        """Return the turn; if this task is cancelled meanwhile, give its reservation back."""
        return await in_thread(begin, OpenTurn.give_back, self._own_pool())

    async def _run(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        call = partial(function, *arguments, **options)
        return await asyncio.wrap_future(self._submit(call))

    def _submit(self, call: Callable[[], T]) -> Any:
        return self._own_pool().submit(copy_context().run, call)

    def _own_pool(self) -> ThreadPoolExecutor:
        """Return the pool of this process; a forked child has no threads of its parent."""
        if self._process_id != os.getpid():
            self._process_id = os.getpid()
            self._pool = ThreadPoolExecutor(_THREADS_COUNT, "turnledger-async")
        return self._pool
