"""One JSON line a request on standard output; never a key, never a body, never a query."""

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
    """Write lines to what is `sys.stdout` then; what cannot be written, on a full disk, is lost.

    A request that has done its work must be answered all the same.
    """

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, message: str) -> None:
        """Write a line in one piece."""
        with suppress(OSError):
            # Not by `print`: unbuffered, as some platforms have it, that writes the end by itself.
            sys.stdout.write(f"{message}\n")
            sys.stdout.flush()

    debug = info = warning = error = msg


def line_writer(level: str) -> Watcher:
    """Writes a line for each answer, as a logger of at least `level` would.

    Not by one, which takes three times as long: this is on every request's way.
    """
    told = {name for name in ("debug", "info") if _number(name) >= _number(level)}
    output = _StandardOutput()

    def write(answer: Answer) -> None:
        own_level = "debug" if answer.endpoint in QUIET_ENDPOINTS else "info"
        if own_level not in told:
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
