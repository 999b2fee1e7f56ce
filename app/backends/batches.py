"""Send many Redis commands in one round trip to each server."""

from collections.abc import Sequence
from typing import Any

from redis import Redis

from app.backends.pipelines import Command, exchange
from app.backends.redis_cluster import GuardedCluster
from app.backends.redis_guard import guarded, is_unavailable


def send_batch(redis: Redis, commands: Sequence[Command]) -> list[Any]:
    """Return the reply to each command, each sent once and not as a transaction.

    The second word of a command is its key. A command that is wrong for its key has its error as
    its reply. Raises one of `REDIS_OUTAGES` if a server cannot do its work; then any of the
    commands may have been done.
    """
    return list(guarded(getattr(redis, "breaker", None), _replies, (redis, commands), {}))


def _replies(redis: Redis, commands: Sequence[Command]) -> list[Any]:
    # To the rest of the service a cluster's client is a `Redis`.
    client: Redis | GuardedCluster = redis
    if isinstance(client, GuardedCluster):
        replies = client.exchange(commands)
    else:
        replies = exchange(client, commands)
    for reply in replies:
        if isinstance(reply, Exception) and is_unavailable(reply):
            raise reply
    return replies
