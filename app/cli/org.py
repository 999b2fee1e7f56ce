"""`flask org`: organizations, their plans and their own limits."""

import click

from app.audit.model import Author
from app.cli.arguments import author_option, organization_argument
from app.cli.groups import OperatorGroup
from app.cli.instants import InstantMs
from app.cli.limit_options import limit_options, named_limits
from app.cli.org_records import (
    limit_change_row,
    limit_changes,
    organization_line,
    organization_row,
    organization_wire,
)
from app.cli.output import (
    json_option,
    print_change,
    print_changes,
    print_record,
    print_records,
    say,
)
from app.cli.text import Utf8Text
from app.http.application import provided
from app.schema import require_schema
from app.tenancy.model import FaultyOrganization, FoundOrganization
from app.tenancy.service import Organizations

group = OperatorGroup(
    "org", reading=("list", "show"), help="Make, raise, suspend and show organizations."
)


@group.command("create")
@click.argument("name", type=Utf8Text())
@click.option(
    "--plan",
    "plan_id",
    type=Utf8Text(),
    default="free",
    show_default=True,
    help="One of PLANS_FILE; config/plans.toml has free, pro, scale and enterprise.",
)
@author_option
@json_option
def create(name: str, plan_id: str, *, by: Author, as_json: bool) -> None:
    """Make an organization; its billing periods are anchored on today."""
    require_schema()
    _print(provided(Organizations).create(name, plan_id, by=by), as_json=as_json)


@group.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every organization, oldest first.

    `(faulty)` marks those that cannot be served.
    """
    shape = organization_wire if as_json else organization_line
    found = provided(Organizations).list_()
    print_records([shape(organization) for organization in found], as_json=as_json)
    for organization in found:
        if isinstance(organization, FaultyOrganization):
            say(organization.reason)


@group.command("show")
@organization_argument
@json_option
def show(organization_id: str, *, as_json: bool) -> None:
    """Show one organization with the limits in force."""
    organization = provided(Organizations).get_(organization_id)
    print_record(
        (organization_wire if as_json else organization_row)(organization), as_json=as_json
    )


@group.command("set-plan")
@organization_argument
@click.argument("plan_id", metavar="PLAN", type=Utf8Text())
@limit_options
@click.option(
    "--keep-limits/--reset-limits",
    "keep_limits",
    default=None,
    help="Keep or drop own limits that the command does not name.",
)
@author_option
@json_option
def set_plan(
    organization_id: str,
    plan_id: str,
    *,
    keep_limits: bool | None,
    by: Author,
    as_json: bool,
    **limits: int | str | None,
) -> None:
    """Change the plan, and set the limits of its own that are named.

    A rate without a burst, here or kept, gets a burst of two seconds. If the organization has other
    limits of its own, choose --keep-limits or --reset-limits. In force within 5 seconds; what was
    used of a quota stays used.
    """
    changed = provided(Organizations).set_plan(
        organization_id, plan_id, named_limits(limits), keep_limits=keep_limits, by=by
    )
    _print(changed, as_json=as_json)


@group.command("raise")
@organization_argument
@limit_options
@click.option(
    "--until",
    "until_ms",
    type=InstantMs(),
    help="The limits end then, and those before are in force again. A day is its start in UTC.",
)
@author_option
@json_option
def raise_(
    organization_id: str,
    *,
    until_ms: int | None,
    by: Author,
    as_json: bool,
    **limits: int | str | None,
) -> None:
    """Raise or lower the limits that are named.

    All others stay. They are shown before and after, and in force within 5 seconds; what was used
    of a quota stays used. Example: `flask org raise Acme --turns 60_000 --until 2026-12-08`
    """
    named = named_limits(limits)
    if not named:
        raise click.UsageError("Name at least one limit, such as --turns 60_000.")
    before, after = provided(Organizations).change_limits(organization_id, named, until_ms, by=by)
    changes = limit_changes(named, before, after)
    if as_json:
        print_change(organization_wire(after) | {"changes": changes}, as_json=True)
    else:
        print_changes([limit_change_row(change) for change in changes], as_json=False)


@group.command("suspend")
@organization_argument
@author_option
@json_option
def suspend(organization_id: str, *, by: Author, as_json: bool) -> None:
    """Refuse all its requests with 402, within 5 seconds."""
    _print(provided(Organizations).suspend(organization_id, by=by), as_json=as_json)


@group.command("resume")
@organization_argument
@author_option
@json_option
def resume(organization_id: str, *, by: Author, as_json: bool) -> None:
    """End a suspension."""
    _print(provided(Organizations).resume(organization_id, by=by), as_json=as_json)


def _print(organization: FoundOrganization, *, as_json: bool) -> None:
    """Print an organization that was changed."""
    print_change(
        (organization_wire if as_json else organization_row)(organization), as_json=as_json
    )
    if isinstance(organization, FaultyOrganization):
        say(organization.reason)
