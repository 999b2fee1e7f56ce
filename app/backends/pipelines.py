"""Exchange many commands with one Redis server in one round trip."""

from collections.abc import Sequence
from typing import Any

from redis import Redis

Command = Sequence[str | int | float]


def exchange(redis: Redis, commands: Sequence[Command]) -> list[Any]:
    """Return the reply or error of each command, each sent once and not as a transaction."""
    with redis.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        return list(pipeline.execute(raise_on_error=False))
