"""Make the parts of the page of a request."""

import json
from typing import Any

from markupsafe import Markup
from werkzeug.http import HTTP_STATUS_CODES

from app.http.instants import format_datetime
from app.http.problems import CODES
from app.request_log.model import RefusedRequest
from app.request_log.pasted import find_request_id
from app.request_log.service import UnknownRequest

LENGTH = 26
OTHER_KINDS = {"int_": "an interaction", "key_": "a key", "org_": "an organization"}
Data = dict[str, Any]


def marked_text(html: Markup) -> str:
    """Return a text of an error page without HTML: code stands in backticks."""
    with_backticks = str(html).replace("<code>", "`").replace("</code>", "`")
    return Markup(with_backticks).striptags()  # noqa: S704 (our own texts)


def read_id(given: str) -> str:
    """Return the id in a text; else the text in capitals, unless it is an id of another kind."""
    given = given.strip()
    return find_request_id(given) or _as_sent(given)


def _as_sent(given: str) -> str:
    return given if given.startswith(tuple(OTHER_KINDS)) else given.upper()


def malformed(request_id: str) -> Data:
    """Return why this is not the id of a request; `other_kind` if it names something else."""
    for prefix, kind in OTHER_KINDS.items():
        if request_id.startswith(prefix):
            return {"text": f"That is {kind}, not a request.", "other_kind": kind}
    length = len(request_id)
    if length != LENGTH:
        text = f"An X-Request-Id has {LENGTH} letters and digits; this one has {length}."
    else:
        text = "An X-Request-Id has no letters I, L, O and U, and begins with a digit from 0 to 7."
    return {"text": text, "other_kind": None}


def request_row(request: RefusedRequest, organization_name: str | None) -> Data:
    """Return a refused request as a row of a table."""
    owner = request.organization_id
    return {
        "id": request.id,
        "at": format_datetime(request.at),
        "method": request.method,
        "route": request.route,
        "status": request.status,
        "error_code": request.error_code,
        "organization": {"id": owner, "name": organization_name} if owner else None,
        "key_id": request.key_id,
        "duration_ms": request.duration_ms,
    }


def unknown_data(unknown: UnknownRequest) -> Data:
    """Return why no entry of this id is kept."""
    return {
        "made_at": format_datetime(unknown.made_at),
        "is_expired": bool(unknown.days) and unknown.is_expired,
        "is_off": not unknown.days,
        "days": unknown.days,
        "reasons": unknown.reasons,
    }


def answer_data(request: RefusedRequest) -> Data:
    """Rebuild what is known of the answer: the message and the details were not kept."""
    status = f"{request.status} {HTTP_STATUS_CODES.get(request.status, '')}".strip()
    headers = [("X-Request-Id", request.id)]
    if request.retry_after_s is not None:
        headers.append(("Retry-After", str(request.retry_after_s)))
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    code = request.error_code
    kind = CODES.get(code or "")
    if kind is not None:
        error = {"code": code, "type": kind.type, "request_id": request.id}
        lines += ["", json.dumps({"error": error}, indent=2)]
    return {"text": "\n".join(lines)}
