"""Collect the facts about each answered request once, for the log and the metrics."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from flask import Flask, Request, Response

from app.http.current import current_notes, current_request
from app.http.request_id import clean_request_id, elapsed_ms, request_id

UNMATCHED = "unmatched"


class Answer(NamedTuple):
    """A request and its answer: no key, no body, no query and no id from a path.

    `route` is the matched rule, such as `/v1/interactions/<interaction_id>`, or `UNMATCHED`;
    `endpoint` names its view. `organization` is None without a valid key, `decision` is None if
    admission decided nothing.
    """

    request_id: str
    client_request_id: str | None
    method: str
    endpoint: str | None
    route: str
    status: int
    duration_ms: float
    organization: str | None
    decision: str | None


Watcher = Callable[[Answer], None]


def init_app(app: Flask, watchers: Sequence[Watcher]) -> None:
    """Call `watchers` once for each request, when its response is complete.

    If a watcher cannot write, its line or count is lost.
    """

    def report(response: Response) -> Response:
        answer = _answer(current_request(), current_notes(), response.status_code)
        for watch in watchers:
            # A full disk, or a file of metrics that cannot grow: the client gets its answer anyway.
            with suppress(OSError, IndexError):
                watch(answer)
        return response

    app.after_request(report)


def _answer(asked: Request, notes: Any, status: int) -> Answer:
    principal, ticket = notes.get("principal"), notes.get("ticket")
    decision = ticket.decision if ticket else None
    rule = asked.url_rule
    return Answer(
        request_id=request_id(),
        client_request_id=clean_request_id(asked),
        method=asked.method,
        endpoint=asked.endpoint,
        route=rule.rule if rule else UNMATCHED,
        status=status,
        duration_ms=elapsed_ms(),
        organization=principal.organization_id if principal else None,
        decision=decision.outcome.value if decision else None,
    )
