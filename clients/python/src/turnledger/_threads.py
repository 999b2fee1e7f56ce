"""Wait for the ledger in a thread, so that an event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


async def in_thread(
    begin: Callable[[], T], give_back: Callable[[T], object], pool: Executor | None = None
) -> T:
    """Return the result of `begin`, which runs in a thread, in the context of this task.

    The thread is of `pool`, or of the event loop. A task that is cancelled meanwhile does not wait:
    `give_back` gets the result.
    """
    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(pool, copy_context().run, begin)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        future.add_done_callback(lambda done: _give_back(done, give_back))
        raise


def _give_back(done: asyncio.Future[T], give_back: Callable[[T], object]) -> None:
    if not done.cancelled() and done.exception() is None:
        give_back(done.result())
