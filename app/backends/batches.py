"""Send many Redis commands in one round trip to each server."""

from collections.abc import Sequence
from typing import Any

from redis import Redis

from app.backends.redis_guard import guarded, is_unavailable

Command = Sequence[str | int | float]


def send_batch(redis: Redis, commands: Sequence[Command]) -> list[Any]:
    """Return the reply to each command, each sent once and not as a transaction.

    A command that is wrong for its key has its error as its reply. Raises one of `REDIS_OUTAGES` if
    a server cannot do its work; then any of the commands may have been done.
    """
    return list(guarded(getattr(redis, "breaker", None), _replies, (redis, commands), {}))


def _replies(redis: Redis, commands: Sequence[Command]) -> list[Any]:
    with redis.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        replies = pipeline.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception) and is_unavailable(reply):
            raise reply
    return replies
