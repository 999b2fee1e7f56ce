"""Log and count each answered request, from facts that are collected once."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
from flask import Flask, Response
from prometheus_client import Counter, Histogram

from app.http.current import current_request
from app.observability.answer import NO_ROUTE, Answer
from app.observability.collecting import AnswerCollector
from app.observability.logging import StandardOutput, is_terminal, level_number
from app.observability.terminal_lines import request_line

QUIET_ENDPOINTS = frozenset({"health.alive", "health.ready"})
REQUESTS = Counter("turnledger_requests", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "turnledger_request_duration_seconds",
    "Time from the first hook to the final status; a streamed body takes longer.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
DECISIONS = Counter(
    "turnledger_decisions",
    "Admission decisions, by the bucket that was charged: an organization's or an address's.",
    ["bucket", "outcome"],
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Instead of an invented method, which is a text of the client and may be long.
OTHER_METHOD = "other"
_CLEAN_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
# Version 00 of W3C Trace Context: trace id, parent id, flags; ids of zeros are invalid.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


Watcher = Callable[[Answer], None]


def init_app(app: Flask, watchers: Sequence[Watcher], collector: AnswerCollector) -> None:
    """Call `watchers` once for each request, when its status is final, and collect its answer.

    The body of a streamed answer is sent later, and hooks registered earlier still add headers. If
    a watcher cannot write, its line or count is lost.
    """

    def report(response: Response) -> Response:
        asked = current_request()
        rule, principal = asked.url_rule, asked.principal
        decision = asked.ticket.decision if asked.ticket else None
        # From here, since werkzeug's headers take ten times as long.
        client_id = asked.environ.get("HTTP_X_REQUEST_ID")
        trace = asked.environ.get("HTTP_TRACEPARENT")
        answer = Answer(
            request_id=asked.id,
            client_request_id=client_id if client_id and _CLEAN_ID.fullmatch(client_id) else None,
            method=asked.method if asked.method in METHODS else OTHER_METHOD,
            endpoint=asked.endpoint,
            route=rule.rule if rule else NO_ROUTE,
            status=response.status_code,
            error_code=asked.error_code,
            fields=asked.error_fields,
            component=asked.error_component,
            retry_after_s=asked.retry_after_s,
            duration_ms=(time.perf_counter() - asked.began_s) * 1_000,
            organization=principal.organization_id if principal else None,
            key_id=principal.key_id if principal else None,
            decision=decision.outcome.value if decision else None,
            traceparent=trace if trace and _TRACEPARENT.fullmatch(trace) else None,
        )
        for watch in watchers:
            # A full disk, or a file of metrics that cannot grow: the client gets its answer anyway.
            with suppress(OSError, IndexError):
                watch(answer)
        collector.answers.append(answer)
        if not collector.flusher.is_running:
            collector.flusher.wake()
        return response

    app.after_request(report)


def line_writer(level: str) -> Watcher:
    """Return a watcher that writes a line for each answer, as a logger of `level` would.

    It is JSON, but for people if standard output is a terminal. A logger takes three times as long,
    and every request writes a line.
    """
    enabled = {name for name in ("debug", "info") if level_number(name) >= level_number(level)}
    output, is_for_people = StandardOutput(), is_terminal()

    def write(answer: Answer) -> None:
        own_level = "debug" if answer.endpoint in QUIET_ENDPOINTS else "info"
        if own_level not in enabled:
            return
        if is_for_people:
            output.msg(request_line(answer, datetime.now(UTC)))
            return
        line = {
            "requestId": answer.request_id,
            "clientRequestId": answer.client_request_id,
            "method": answer.method,
            "route": answer.route,
            "status": answer.status,
            "errorCode": answer.error_code,
            "fields": answer.fields,
            "durationMs": round(answer.duration_ms, 3),
            "organization": answer.organization,
            "keyId": answer.key_id,
            "decision": answer.decision,
            "traceparent": answer.traceparent,
            "event": "request",
            "level": own_level,
            "timestamp": datetime.now(UTC),
        }
        output.msg(orjson.dumps(line, option=orjson.OPT_UTC_Z).decode())

    return write


def count(answer: Answer) -> None:
    """Count an answer and observe its duration."""
    _child(REQUESTS, answer.method, answer.route, answer.status).inc()
    _child(DURATION, answer.route).observe(answer.duration_ms / 1_000)
    if answer.decision is not None:
        bucket = "organization" if answer.organization else "address"
        _child(DECISIONS, bucket, answer.decision).inc()


@cache  # of few values each
def _child(metric: Any, *labels: str | int) -> Any:
    """Return the metric with these labels; faster than the library's own look-up."""
    return metric.labels(*labels)
