"""One JSON line a request on standard output; never a key, never a body, never a query."""

import logging
from collections.abc import Callable
from typing import Any

import orjson
import structlog
from flask import Flask, Response, g, request

from app.http.request_id import client_request_id, elapsed_ms, request_id

QUIET_ENDPOINTS = frozenset({"health.alive", "health.ready"})
UNMATCHED = "unmatched"


def configure(level: str) -> None:
    """Send structured lines of at least `level` to standard output as JSON."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        # It looks up `sys.stdout` at each line, so that whoever captures it sees the lines.
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _as_json(line: dict[str, Any], default: Callable[[Any], Any]) -> str:
    return orjson.dumps(line, default).decode()


def init_app(app: Flask) -> None:
    """Log each request once, when its response is complete."""
    # Made once: to make a logger takes longer than to write a line.
    log = structlog.get_logger().bind()

    def write(response: Response) -> Response:
        _write_line(log, response)
        return response

    app.after_request(write)


def route_template() -> str:
    """The matched rule, such as `/v1/interactions/<interaction_id>`: no ids, few values."""
    return request.url_rule.rule if request.url_rule else UNMATCHED


def _write_line(log: structlog.typing.FilteringBoundLogger, response: Response) -> None:
    write = log.debug if request.endpoint in QUIET_ENDPOINTS else log.info
    principal = g.get("principal")
    decision = g.get("decision")
    write(
        "request",
        requestId=request_id(),
        clientRequestId=client_request_id(),
        method=request.method,
        route=route_template(),
        status=response.status_code,
        durationMs=round(elapsed_ms(), 3),
        organization=principal.organization_id if principal else None,
        decision=decision.outcome.value if decision else None,
    )
