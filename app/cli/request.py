"""`flask request`: explains a refused request by its id."""

import click
from flask.cli import with_appcontext

from app.cli.groups import OperatorCommand
from app.cli.output import Record, json_option, print_record
from app.cli.text import Utf8Text
from app.http.application import provided
from app.http.instants import format_datetime
from app.request_log.pasted import find_request_id
from app.request_log.service import UnknownRequest
from app.watch.explaining import Explanation, RequestExplainer

_NO_ID = "is not the X-Request-Id of an answer: 26 characters such as 01M857WWT68H8HWGA8E1GFTHM9."


@click.command(
    "request",
    cls=OperatorCommand,
    is_reading=True,
    short_help="Explain a refused request by its X-Request-Id.",
)
@click.argument("request_id", metavar="X_REQUEST_ID", type=Utf8Text())
@json_option
@with_appcontext
def request(request_id: str, *, as_json: bool) -> None:
    """Show what a request was answered, to which key and why, with an answer for its ticket.

    Requests with a status of 400 and above are kept for REQUEST_LOG_DAYS. The exit code is 1 if the
    request is not kept; standard error has the possible reasons.
    """
    found = provided(RequestExplainer).find(find_request_id(request_id) or request_id.strip())
    if found is None:
        raise click.BadParameter(_NO_ID, param_hint="X_REQUEST_ID")
    if isinstance(found, UnknownRequest):
        raise click.ClickException(_unknown(found))
    record = _record(found)
    print_record(record if as_json else _row(record), as_json=as_json)


def _unknown(unknown: UnknownRequest) -> str:
    made_at = format_datetime(unknown.made_at)
    reasons = unknown.reasons
    if len(reasons) == 1:
        return f"The request of {made_at} is not kept: {reasons[0]}."
    numbered = "; ".join(f"({number}) {reason}" for number, reason in enumerate(reasons, 1))
    return f"The request of {made_at} is not kept. The possible reasons: {numbered}."


def _record(found: Explanation) -> Record:
    request, key = found.request, found.key
    return {
        "id": request.id,
        "at": format_datetime(request.at),
        "method": request.method,
        "route": request.route,
        "status": request.status,
        "error_code": request.error_code,
        "why": found.why,
        "fields": list(request.fields),
        "retry_after_s": request.retry_after_s,
        "duration_ms": request.duration_ms,
        "organization": request.organization_id,
        "organization_name": found.organization_name,
        "key": request.key_id,
        "key_hint": key.hint if key else None,
        "key_label": key.label if key else None,
        "ticket": found.ticket,
    }


def _row(record: Record) -> Record:
    return record | {"fields": ", ".join(record["fields"]) or None}
