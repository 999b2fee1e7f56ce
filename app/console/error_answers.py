"""Map the errors of this room to their answers: `app.error_answers` is a lower floor."""

from app.console.errors import ConsoleBusy, ConsoleOff, FormExpired, PageUnknown, SessionMissing
from app.error_answers import find_problem
from app.http.problems import Problem


@find_problem.register
def _session_missing(error: SessionMissing) -> Problem:
    return Problem("authentication_error", str(error), headers={"WWW-Authenticate": "Cookie"})


@find_problem.register
def _form_expired(error: FormExpired) -> Problem:
    return Problem("permission_denied", str(error))


@find_problem.register
def _not_found(error: ConsoleOff | PageUnknown) -> Problem:
    return Problem("not_found", str(error))


@find_problem.register
def _busy(error: ConsoleBusy) -> Problem:
    return Problem("rate_limit_exceeded", str(error), retry_after_s=1)
