"""The page of a request: what was answered to an `X-Request-Id`, and the newest refusals."""

from urllib.parse import quote

from flask import Response, request

from app.console.choices import MOST_TEXT
from app.console.frame import Page, console_page, go
from app.console.ledger_time import now
from app.console.request_data import RequestData
from app.console.request_rows import read_id
from app.http.application import provided
from app.request_log.service import RequestLog
from app.tenancy.directory.service import Directory
from app.watch.explaining import RequestExplainer

_STATUSES = {"malformed": 400, "unknown": 404}


@console_page("/requests")
def requests() -> Page | Response:
    """Show the form and the newest refused requests; with `id` lead to the page of that one."""
    given = read_id(request.args.get("id", ""))[:MOST_TEXT]
    if given:
        return go(f"/console/requests/{quote(given, safe='')}")
    return Page("request.html", _data().newest())


@console_page("/requests/<request_id>")
def one_request(request_id: str) -> Page:
    """Show what a request was answered, or why nothing is kept of it."""
    data = _data().one(request_id[:MOST_TEXT])
    return Page("request.html", data, status=_STATUSES.get(data["state"], 200))


def _data() -> RequestData:
    return RequestData(provided(RequestExplainer), provided(RequestLog), provided(Directory), now)
