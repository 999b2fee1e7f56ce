"""Write one JSON line a request to standard output; never a key, a body or a query."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import structlog

from app.http.instants import utc_now
from app.observability.answers import Answer, Watcher

QUIET_ENDPOINTS = frozenset({"health.alive", "health.ready"})


def configure(level: str) -> None:
    """Send structured lines of at least `level` to standard output as JSON."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=_StandardOutput,
        cache_logger_on_first_use=False,
    )


def _as_json(line: dict[str, Any], default: Callable[[Any], Any]) -> str:
    return orjson.dumps(line, default).decode()


class _StandardOutput:
    """Writes lines to the current `sys.stdout`; on a full disk they are lost.

    A request that has done its work must still be answered.
    """

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, message: str) -> None:
        """Write a line in one piece."""
        with suppress(OSError):
            # Not by `print`, which writes the line end separately if the output is unbuffered.
            sys.stdout.write(f"{message}\n")
            sys.stdout.flush()

    debug = info = warning = error = msg


def line_writer(level: str) -> Watcher:
    """Return a watcher that writes a line for each answer, as a logger of `level` would.

    A logger takes three times as long, and every request writes a line.
    """
    enabled = {name for name in ("debug", "info") if _number(name) >= _number(level)}
    output = _StandardOutput()

    def write(answer: Answer) -> None:
        own_level = "debug" if answer.endpoint in QUIET_ENDPOINTS else "info"
        if own_level not in enabled:
            return
        line = {
            "requestId": answer.request_id,
            "clientRequestId": answer.client_request_id,
            "method": answer.method,
            "route": answer.route,
            "status": answer.status,
            "durationMs": round(answer.duration_ms, 3),
            "organization": answer.organization,
            "decision": answer.decision,
            "event": "request",
            "level": own_level,
            "timestamp": utc_now(),
        }
        output.msg(orjson.dumps(line, option=orjson.OPT_UTC_Z).decode())

    return write


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
