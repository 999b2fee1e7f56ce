"""What became of each request: looked up once, told to whoever watches."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from flask import Flask, Request, Response

from app.http.current import current_notes, current_request
from app.http.request_id import clean_request_id, elapsed_ms, request_id

UNMATCHED = "unmatched"


class Answer(NamedTuple):
    """A request and its answer, in values of few kinds: no key, no body, no query, no id in a path.

    `route` is the matched rule, such as `/v1/interactions/<interaction_id>`, or `UNMATCHED`;
    `endpoint` names what answered it. `organization` is whose key was shown, `decision` what
    admission said, each None if nobody was asked.
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
    """Tell `watchers` of each request once, when its response is complete.

    What a watcher cannot write is lost.
    """

    def tell(response: Response) -> Response:
        answer = _answer(current_request(), current_notes(), response.status_code)
        for watch in watchers:
            # A full disk, and a file of metrics that could not grow: who was served is answered all
            # the same.
            with suppress(OSError, IndexError):
                watch(answer)
        return response

    app.after_request(tell)


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
