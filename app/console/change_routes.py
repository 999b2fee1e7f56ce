"""Change an organization: its plan and limits in two steps, its suspension in one."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, request

from app.audit.trail import AuditTrail
from app.console import session
from app.console.change_texts import change_note, suspension_note
from app.console.effects_data import effects_data
from app.console.frame import HOME, Page, blueprint, console_page, go, render
from app.console.limits_data import (
    FIELDS,
    limits_data,
    make_change,
    plans_data,
    read_asked,
    try_change,
)
from app.console.organization_data import entry_data, organization_data
from app.console.organization_routes import organization_page
from app.console.parts import part
from app.console.paths import organization_path
from app.console.problems import problems_in, problems_of
from app.http.application import provided
from app.http.instants import format_datetime, utc_now
from app.http.request_errors import InvalidFields
from app.tenancy.errors import ChangedMeanwhile
from app.tenancy.model import FoundOrganization, Organization
from app.tenancy.service import Organizations

Data = dict[str, Any]
# What was typed is shown again with its errors; no field takes more characters.
MOST_TYPED = 200


@console_page("/organizations/<organization_id>/change")
def limit_change(organization_id: str) -> Page:
    """Show what a change of plan and limits would do; nothing is changed."""
    return _change_page(organization_id, request.args)


@blueprint.post(f"{HOME}/organizations/<organization_id>/change")
def change_limits(organization_id: str) -> Response:
    """Make a change that was checked, unless somebody has changed the organization since."""
    form, organizations = request.form, provided(Organizations)
    before = organizations.get_(organization_id)
    try:
        by = session.author(form.get("reason", ""))
        made = make_change(organizations, before, read_asked(form), form.get("version", ""), by)
    except ChangedMeanwhile:
        return render(_change_page(organization_id, form, status=409))
    except InvalidFields as error:
        return render(_change_page(organization_id, form, problems_in(error), status=400))
    return go(organization_path(organization_id), change_note(before, made))


# A log-in between a form and its answer leads back here by GET.
@blueprint.route(f"{HOME}/organizations/<organization_id>/suspend", methods=["GET", "POST"])
def suspend(organization_id: str) -> Response:
    """Suspend an organization; GET leads to its page."""
    return _change_suspension(organization_id, provided(Organizations).suspend)


@blueprint.route(f"{HOME}/organizations/<organization_id>/resume", methods=["GET", "POST"])
def resume(organization_id: str) -> Response:
    """End the suspension of an organization; GET leads to its page."""
    return _change_suspension(organization_id, provided(Organizations).resume)


def _change_suspension(organization_id: str, change: Callable[..., FoundOrganization]) -> Response:
    if request.method != "POST":
        return go(organization_path(organization_id))
    form, found = request.form, provided(Organizations).get_any(organization_id)
    reason = form.get("reason", "")
    problems = _confirmation_problems(form, found) | problems_of(lambda: session.author(reason))
    if problems:
        return _refuse_suspension(organization_id, problems, status=400)
    try:
        changed = change(organization_id, by=session.author(reason))
    except ChangedMeanwhile as error:
        return _refuse_suspension(organization_id, {"reason": str(error)}, status=409)
    return go(organization_path(organization_id), suspension_note(changed))


def _refuse_suspension(organization_id: str, problems: Mapping[str, str], status: int) -> Response:
    """Show the page of the organization again, with the form and what is wrong with it."""
    given = {name: request.form.get(name, "")[:MOST_TYPED] for name in ("reason", "name")}
    form: dict[str, object] = {"problems": problems, "given": given}
    return render(organization_page(organization_id, form, status=status))


def _confirmation_problems(form: Mapping[str, str], found: FoundOrganization) -> dict[str, str]:
    """Return the errors of a form that stops a customer, or lets it go on."""
    problems = {}
    if not form.get("reason", "").strip():
        problems["reason"] = "Write a reason: it is kept in the audit trail."
    expected = found.name or found.id
    if form.get("name", "").strip() != expected:
        problems["name"] = f"Write the name of the organization as it is: {expected}"
    return problems


def _change_page(
    organization_id: str,
    given: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Page:
    """Return the comparison of before and after, or the errors of the form."""
    before = provided(Organizations).get_(organization_id)
    plans = provided(Organizations).plans
    change, found = _try(before, given)
    found |= problems or {}
    return Page(
        "change.html",
        {
            "as_of": format_datetime(utc_now()),
            "organization": organization_data(before),
            "limits": limits_data(before, plans.get(before.plan)),
            "plans": plans_data(plans),
            "given": {
                name: given.get(name, "").strip()[:MOST_TYPED] for name in (*FIELDS, "reason")
            },
            "problems": found,
            "change": change,
            "effects": part(lambda: effects_data(before, change)) if change else None,
            "meanwhile": part(lambda: _last_change(before)) if status == 409 else None,
        },
        status=400 if found and status == 200 else status,
    )


def _try(before: Organization, given: Mapping[str, str]) -> tuple[Data | None, dict[str, str]]:
    """Return what a change would do, or the errors of the form by field."""
    tried: list[Data] = []

    def try_(form: Mapping[str, str]) -> None:
        tried.append(try_change(provided(Organizations), before, read_asked(form)))

    problems = problems_of(lambda: try_(given))
    if not problems:
        return tried[0], {}
    # A bad end is found before the limits are judged.
    rest = {name: given.get(name, "") for name in FIELDS if name != "until"}
    return None, problems_of(lambda: try_(rest)) | problems


def _last_change(organization: Organization) -> Data:
    found = provided(AuditTrail).list_(organization.id, at_most=1)
    return {"entry": entry_data(found[0]) if found else None}
