"""Render every failure as the same envelope; the only code that does."""

import re
from collections.abc import Callable
from typing import Any, cast

import structlog
from flask import Flask, Response, current_app
from werkzeug.exceptions import HTTPException

from app.http.body import json_response
from app.http.current import current_request
from app.http.faults import AccountFault, note_account_fault
from app.http.frames import frames_of
from app.http.problems import Problem
from app.http.request_errors import RequestError, field_names

FindProblem = Callable[[Exception], Problem | None]

_FIND_PROBLEM = "turnledger.find_problem"
_log = structlog.get_logger("turnledger.errors")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}", re.ASCII)
_BY_STATUS = {
    400: ("validation_error", "The request could not be understood."),
    404: ("not_found", "There is no such route: compare the path with the list at `/docs`."),
    405: ("method_not_allowed", "This route does not take that method; see the Allow header."),
    413: ("payload_too_large", "The body is too large."),
    415: ("unsupported_media_type", "The body must be application/json, as it is or in gzip."),
}


def init_app(
    app: Flask,
    documentation_url: str,
    find_problem: FindProblem,
    *,
    is_outage: Callable[[Exception], bool],
    note_outage: Callable[[Exception], str],
) -> None:
    """Render every failure.

    `find_problem` maps the errors of rooms to their answers. `is_outage` recognizes the
    drivers' errors that mean that a store is unavailable. `note_outage` counts each one that
    reaches a client, and returns the reason for the log.
    """
    app.config["DOCUMENTATION_URL"] = documentation_url
    app.extensions[_FIND_PROBLEM] = find_problem

    def answer(error: Exception) -> Response:
        expected = find_answer(error)
        if expected is not None:
            return expected
        if is_outage(error):
            return _outage(error, note_outage(error))
        return _unexpected(error)

    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, answer)


def find_problem(error: Exception) -> Problem | None:
    """Return the answer to an error of a room; None for an outage or a fault of ours."""
    find: FindProblem = current_app.extensions[_FIND_PROBLEM]
    return find(error)


def find_answer(error: Exception) -> Response | None:
    """Return the response to an error of a room; None for an outage or a fault of ours.

    A fault of the account's stored data is logged with its reason. A `RequestError` is noted,
    since its request is charged whatever the status.
    """
    problem = find_problem(error)
    if isinstance(error, RequestError):
        current_request().has_request_error = True
    if isinstance(error, AccountFault):
        note_account_fault("account_unavailable", error.account, error.reason)
    return None if problem is None else render(problem)


def answer_of(error: Exception) -> Response:
    """Return the response to any error, as if a view had raised it."""
    response = current_app.handle_user_exception(error)
    return cast("Response", response)


def describe(error: Exception) -> dict[str, Any]:
    """Return the error of a room as an element of a batch shows it.

    KeyError for an error that no client may read.
    """
    problem = find_problem(error)
    if problem is None:
        raise KeyError(type(error).__name__)
    return problem.body()


def render(problem: Problem) -> Response:
    """Return the response for a problem: envelope, status, `Retry-After`, its own headers.

    Notes for the log and the metrics: code, wait, and the wrong fields or the component.
    """
    asked = current_request()
    asked.error_code, asked.retry_after_s = problem.code, problem.retry_after_s
    details = problem.details
    asked.error_fields = field_names(details) if isinstance(details, list) else ()
    asked.error_component = details.get("component") if isinstance(details, dict) else None
    body = problem.body() | {
        "request_id": asked.id,
        "documentation_url": _documentation_url(problem.code),
    }
    response = json_response({"error": body}, problem.kind.status)
    response.headers.extend(problem.headers)
    if problem.retry_after_s is not None:
        response.headers.add("Retry-After", str(problem.retry_after_s))
    return response


def base_url() -> str:
    """Return the address of this service as the client wrote it; "" if the host is unusual."""
    # The client chooses this header: an unusual value is not echoed.
    asked = current_request()
    host = asked.environ.get("HTTP_HOST", "")
    return f"{asked.scheme}://{host}" if _HOST.fullmatch(host) else ""


def _documentation_url(code: str) -> str:
    configured = current_app.config["DOCUMENTATION_URL"]
    return f"{configured}#{code}" if configured else f"{base_url()}/docs/errors/{code}"


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status >= 500:
        return _unexpected(error)
    code, message = _BY_STATUS.get(status, _BY_STATUS[400])
    allowed = getattr(error, "valid_methods", None)
    headers = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
    return render(Problem(code, message, headers=headers))


def _outage(error: Exception, reason: str) -> Response:
    words = {"error": type(error).__name__, "reason": reason}
    _log.warning("store_unavailable", requestId=current_request().id, **words)
    return render(Problem.unavailable())


def _unexpected(error: Exception) -> Response:
    asked = current_request()
    _log.error(
        "unexpected_error",
        requestId=asked.id,
        organization=asked.principal.organization_id if asked.principal else None,
        error=type(error).__name__,
        at=frames_of(error),
    )
    return render(Problem("internal_error", "Something went wrong on our side."))
