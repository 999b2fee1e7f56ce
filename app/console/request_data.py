"""Compute the page of a request: what was answered and why, or why nothing is kept."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from app.console.parts import part
from app.console.request_checks import list_checks
from app.console.request_steps import list_steps
from app.http.instants import format_datetime
from app.http.problems import CODES
from app.http.rules import ULID_PATTERN
from app.reference.error_texts import read_error_text
from app.request_log.model import RefusedRequest
from app.request_log.service import RequestLog, UnknownRequest
from app.tenancy.directory.service import Directory
from app.watch.explaining import Explanation, RequestExplainer

NEWEST_ROWS = 20
AROUND_ROWS = 5
_LENGTH = 26
_ID = re.compile(ULID_PATTERN)
_OTHER_KINDS = {"int_": "an interaction", "key_": "a key", "org_": "an organization"}
Data = dict[str, Any]


class RequestData:
    """Computes the pages of refused requests at `now`."""

    def __init__(
        self,
        explainer: RequestExplainer,
        log: RequestLog,
        directory: Directory,
        now: Callable[[], datetime],
    ) -> None:
        self._explainer = explainer
        self._log = log
        self._directory = directory
        self._now = now

    def newest(self) -> Data:
        """Return the form and the newest refused requests."""
        return self._frame("", "form") | {"newest": self._newest()}

    def one(self, given: str) -> Data:
        """Return one request; its `state` says what is known.

        | state | the data has |
        | --- | --- |
        | found | `found` |
        | unknown | `unknown`, and the newest requests |
        | malformed | `malformed`, a sentence, and the newest requests |
        | unavailable | `lookup`, the outage |
        """
        request_id = read_id(given)
        if _ID.fullmatch(request_id) is None:
            frame = self._frame(request_id, "malformed")
            return frame | {"malformed": malformed(request_id), "newest": self._newest()}
        lookup = part(lambda: self._look_up(request_id))
        if lookup["unavailable"]:
            return self._frame(request_id, "unavailable") | {"lookup": lookup}
        found = self._frame(request_id, lookup["state"]) | lookup
        return found if found["found"] else found | {"newest": self._newest()}

    def _frame(self, request_id: str, state: str) -> Data:
        return {
            "as_of": format_datetime(self._now()),
            "id": request_id,
            "state": state,
            "days": self._log.days,
            "found": None,
        }

    def _look_up(self, request_id: str) -> Data:
        found = self._explainer.find(request_id)
        if isinstance(found, Explanation):
            return {"state": "found", "found": self._found(found)}
        if found is None:  # its first character is beyond what a ULID may have
            return {"state": "malformed", "malformed": malformed(request_id)}
        return {"state": "unknown", "unknown": unknown_data(found)}

    def _found(self, explanation: Explanation) -> Data:
        request = explanation.request
        retry_at = _retry_at(request)
        around = self._log.list_around(request, AROUND_ROWS)
        ordered = sorted([*around, request], key=lambda each: each.id, reverse=True)
        return {
            **request_row(request, explanation.organization_name),
            "phrase": HTTP_STATUS_CODES.get(request.status),
            "fields": list(request.fields),
            "retry_after_s": request.retry_after_s,
            "retry_at": format_datetime(retry_at) if retry_at else None,
            "kept_until": format_datetime(request.at + timedelta(days=self._log.days)),
            "key": _key_data(explanation),
            "why": explanation.why,
            "checks": list_checks(request),
            "answer": answer_data(request),
            "charged": _charged(request),
            "causes": _causes(request),
            "steps": list_steps(request),
            "ticket": explanation.ticket,
            "around": [request_row(each, None) for each in ordered] if around else [],
        }

    def _newest(self) -> Data:
        def read() -> Data:
            found = self._log.list_newest(NEWEST_ROWS)
            ids = sorted({each.organization_id for each in found if each.organization_id})
            names = self._directory.names(ids)
            return {
                "requests": [
                    request_row(each, names.get(each.organization_id or "")) for each in found
                ]
            }

        return part(read)


def read_id(given: str) -> str:
    """Return an id as it was sent: without blanks, and in capitals unless it is of another kind."""
    given = given.strip()
    return given if given.startswith(tuple(_OTHER_KINDS)) else given.upper()


def malformed(request_id: str) -> Data:
    """Return why this is not the id of a request; `other_kind` if it names something else."""
    for prefix, kind in _OTHER_KINDS.items():
        if request_id.startswith(prefix):
            return {"text": f"That is {kind}, not a request.", "other_kind": kind}
    length = len(request_id)
    if length != _LENGTH:
        text = f"An X-Request-Id has {_LENGTH} letters and digits; this one has {length}."
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


def _retry_at(request: RefusedRequest) -> datetime | None:
    if request.retry_after_s is None:
        return None
    return request.at + timedelta(seconds=request.retry_after_s)


def _key_data(explanation: Explanation) -> Data | None:
    key, key_id = explanation.key, explanation.request.key_id
    if key_id is None:
        return None
    if key is None:  # removed or damaged meanwhile
        return {"id": key_id, "label": None, "hint": None, "environment": None, "scope": None}
    return {
        "id": key.id,
        "label": key.label,
        "hint": key.hint,
        "environment": key.environment.value,
        "scope": key.scope.value,
    }


def _charged(request: RefusedRequest) -> str | None:
    code = request.error_code
    return read_error_text(code).charged.striptags() if code in CODES else None


def _causes(request: RefusedRequest) -> Sequence[Data]:
    code = request.error_code
    if code not in CODES:
        return []
    return [
        {
            "cause": each.cause.striptags(),
            "sign": each.sign.striptags(),
            "next_step": each.next_step.striptags(),
        }
        for each in read_error_text(code).causes
    ]
