"""Send a Redis command through the circuit breaker, and judge its error.

A client of any layout sends every command by `guarded`. There the breaker is checked before, and an
error is judged after:

* The server cannot do its work: the breaker counts it, and callers receive one of `REDIS_OUTAGES`.
* The command was wrong: the driver's own error is raised unchanged.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import (
    AuthenticationWrongNumberOfArgsError,
    ClusterCrossSlotError,
    CrossSlotTransactionError,
    DataError,
    InvalidPipelineStack,
    ModuleError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from app.backends.breaker import Breaker
from app.backends.latency import begin, note_redis_call
from app.backends.outages import REDIS_OUTAGES, RedisUnavailable

# A probe is one write of a key that expires by itself.
PROBE = ("SET", "probe:{turnledger}", 1, "PX", 1_000)
_WRONG_COMMANDS = (
    NoScriptError,
    ClusterCrossSlotError,
    CrossSlotTransactionError,
    InvalidPipelineStack,
    ModuleError,
    AuthenticationWrongNumberOfArgsError,
    DataError,
)
# Errors that the driver has no class for begin with the server's code: MISCONF, NOREPLICAS, BUSY…
# Those without a code of their own ("ERR") come without one: a wrong command, a failing script.
_CODE = re.compile(r"(?!WRONGTYPE)[A-Z]{4,}( .*)?|DB index is out of range", re.DOTALL)


def is_unavailable(error: Exception) -> bool:
    """Return True if the server cannot do its work; False if the command was wrong."""
    if isinstance(error, _WRONG_COMMANDS):
        return False
    return type(error) is not ResponseError or bool(_CODE.fullmatch(str(error)))


def guarded(
    breaker: Breaker | None,
    send: Callable[..., Any],
    arguments: Sequence[Any],
    options: Mapping[str, Any],
) -> Any:
    """Return what `send` returns; raise `RedisCircuitOpen` without sending while it is open.

    Calls of clients with a breaker, those of requests, are measured.
    """
    if breaker is None:
        return _judged(None, send, arguments, options)
    breaker.require_closed()
    began_s, has_failed = begin(), True
    try:
        reply = _judged(breaker, send, arguments, options)
        has_failed = False
        return reply
    finally:
        note_redis_call(began_s, arguments, has_failed=has_failed)


def _judged(
    breaker: Breaker | None,
    send: Callable[..., Any],
    arguments: Sequence[Any],
    options: Mapping[str, Any],
) -> Any:
    try:
        return send(*arguments, **options)
    except (RedisError, RedisClusterException) as error:
        if not is_unavailable(error):
            raise
        if breaker is not None:
            breaker.note_failure()
        if isinstance(error, REDIS_OUTAGES):
            raise
        raise RedisUnavailable(type(error).__name__) from error


def require_writable(breaker: Breaker | None, probe: Callable[[], None]) -> None:
    """Raise an outage unless `probe` succeeds; the breaker does not count its failure."""
    if breaker is not None:
        breaker.require_closed()
    guarded(None, probe, (), {})
