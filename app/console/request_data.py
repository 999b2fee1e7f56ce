"""Compute the page of a request: what was answered and why, or why nothing is kept."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from werkzeug.http import HTTP_STATUS_CODES

from app.console.parts import part
from app.console.request_checks import list_checks
from app.console.request_rows import (
    Data,
    answer_data,
    malformed,
    marked_text,
    read_id,
    request_row,
    unknown_data,
)
from app.console.request_steps import list_steps
from app.http.instants import format_datetime
from app.http.problems import CODES
from app.http.rules import ULID_PATTERN
from app.reference.error_texts import read_error_text
from app.request_log.model import RefusedRequest
from app.request_log.service import RequestLog
from app.tenancy.directory.service import Directory
from app.watch.explaining import Explanation, RequestExplainer

NEWEST_ROWS = 20
AROUND_ROWS = 5
_ID = re.compile(ULID_PATTERN)


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
    return marked_text(read_error_text(code).charged) if code in CODES else None


def _causes(request: RefusedRequest) -> Sequence[Data]:
    code = request.error_code
    if code not in CODES:
        return []
    return [
        {
            "cause": marked_text(each.cause),
            "sign": marked_text(each.sign),
            "next_step": marked_text(each.next_step),
        }
        for each in read_error_text(code).causes
    ]
