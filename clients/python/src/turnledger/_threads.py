"""Wait for the ledger in a thread, so that an event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


async def in_thread(
    begin: Callable[[], T], give_back: Callable[[T], object], pool: Executor | None = None
) -> T:
    """Return the result of `begin`, which runs in a thread, in the context of this task.

    The thread is of `pool`, or of the event loop. A task that is cancelled meanwhile does not wait:
    `give_back` gets the result, in the thread, for the event loop may have ended by then.
    """
    context, done = copy_context(), Future[T]()

    def run() -> None:
        try:
            result = context.run(begin)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(result)

    asyncio.get_running_loop().run_in_executor(pool, run)
    try:
        return await asyncio.shield(asyncio.wrap_future(done))
    except BaseException:
        done.add_done_callback(lambda _: _give_back(done, give_back))
        raise


def _give_back(done: Future[T], give_back: Callable[[T], object]) -> None:
    if done.exception() is None:
        give_back(done.result())
