"""`flask org`: organizations, their plans and their own limits."""

from dataclasses import asdict
from typing import Any

import click

from app.cli.output import (
    FAULTY,
    OperatorGroup,
    Record,
    json_option,
    limit_text,
    organization_argument,
    print_change,
    print_record,
    print_records,
    say,
)
from app.cli.text import Utf8Text
from app.http.application import provided
from app.http.instants import format_datetime
from app.schema import require_schema
from app.tenancy.model import FaultyOrganization, FoundOrganization, Limits, OveragePolicy
from app.tenancy.plans import BOUNDS, UNLIMITED
from app.tenancy.service import Organizations

group = OperatorGroup(
    "org", reading=("list", "show"), help="Organizations, their plans and their own limits."
)


class Ceiling(click.ParamType[int | str]):
    """A whole number, or the word `unlimited`."""

    name = f"N|{UNLIMITED}"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the number or the word; a usage error for anything else."""
        text = str(value)
        if text == UNLIMITED:
            return UNLIMITED
        if text.isascii() and text.isdigit():
            return int(text)
        return self.fail(f"{value!r} is neither a whole number nor '{UNLIMITED}'.", param, ctx)


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
@json_option
def create(name: str, plan_id: str, *, as_json: bool) -> None:
    """Make an organization; its billing periods are anchored on today."""
    require_schema()
    _print(provided(Organizations).create(name, plan_id), as_json=as_json)


@group.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every organization, oldest first; `(faulty)` marks those that cannot be served."""
    shape = _wire if as_json else _line
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
    print_record((_wire if as_json else _row)(organization), as_json=as_json)


@group.command("set-plan")
@organization_argument
@click.argument("plan_id", metavar="PLAN", type=Utf8Text())
@click.option(
    "--requests-per-second",
    type=click.IntRange(*BOUNDS["requests_per_second"]),
    help="Its own rate. Without --burst the burst becomes twice the rate.",
)
@click.option("--burst", type=click.IntRange(*BOUNDS["burst"]), help="Its own bucket size.")
@click.option("--turns", type=Ceiling(), help="Turns in a billing period.")
@click.option("--active-relationships", type=Ceiling(), help="Relationships in a billing period.")
@click.option(
    "--uncharged-turns",
    type=click.IntRange(*BOUNDS["uncharged_turns"]),
    help="Turns that cost nothing; else the plan's, or as many as turns, at most 1,000,000.",
)
@click.option(
    "--overage",
    "overage_policy",
    type=click.Choice([policy.value for policy in OveragePolicy]),
    help="Behaviour at the end of the quota.",
)
@json_option
def set_plan(
    organization_id: str, plan_id: str, *, as_json: bool, **ceilings: int | str | None
) -> None:
    """Change the plan; the options are limits of its own and replace all earlier ones.

    In force within 5 seconds; what was used of a quota stays used.
    """
    overrides = {name: value for name, value in ceilings.items() if value is not None}
    _print(provided(Organizations).set_plan(organization_id, plan_id, overrides), as_json=as_json)


@group.command("suspend")
@organization_argument
@json_option
def suspend(organization_id: str, *, as_json: bool) -> None:
    """Refuse all its requests with 402, within 5 seconds."""
    _print(provided(Organizations).suspend(organization_id), as_json=as_json)


@group.command("resume")
@organization_argument
@json_option
def resume(organization_id: str, *, as_json: bool) -> None:
    """End a suspension."""
    _print(provided(Organizations).resume(organization_id), as_json=as_json)


def _print(organization: FoundOrganization, *, as_json: bool) -> None:
    """Print an organization that was changed."""
    print_change((_wire if as_json else _row)(organization), as_json=as_json)
    if isinstance(organization, FaultyOrganization):
        say(organization.reason)


def _wire(organization: FoundOrganization) -> Record:
    created_at = organization.created_at
    served = None if isinstance(organization, FaultyOrganization) else organization
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": organization.plan,
        "is_suspended": organization.is_suspended,
        "signed_up_on": _day(organization),
        "created_at": format_datetime(created_at) if created_at else None,
        "limits": _limits(served.limits) if served else None,
        "overrides": dict(served.overrides) if served else None,
    }


def _limits(limits: Limits) -> Record:
    return asdict(limits) | {"uncharged_turns": limits.uncharged_ceiling}


def _line(organization: FoundOrganization) -> Record:
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": _plan(organization),
        **_limits_in_a_line(organization),
        "suspended": organization.is_suspended,
    }


def _limits_in_a_line(organization: FoundOrganization) -> Record:
    if isinstance(organization, FaultyOrganization):
        return dict.fromkeys(("rate", "turns", "relationships"))
    limits = organization.limits
    return {
        "rate": f"{limits.requests_per_second:,}/s, burst {limits.burst:,}",
        "turns": limit_text(limits.turns),
        "relationships": limit_text(limits.active_relationships),
    }


def _row(organization: FoundOrganization) -> Record:
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": _plan(organization),
        "suspended": organization.is_suspended,
        "signed_up_on": _day(organization),
        **_limits_in_rows(organization),
    }


def _limits_in_rows(organization: FoundOrganization) -> Record:
    if isinstance(organization, FaultyOrganization):
        return {}
    limits = organization.limits
    return {
        "requests_per_second": limit_text(limits.requests_per_second),
        "burst": limit_text(limits.burst),
        "turns": limit_text(limits.turns),
        "active_relationships": limit_text(limits.active_relationships),
        "uncharged_turns": limit_text(limits.uncharged_ceiling),
        "overage": limits.overage_policy.value,
        "own_limits": ", ".join(organization.overrides) or None,
    }


def _plan(organization: FoundOrganization) -> str | None:
    """Return the plan, with `(faulty)` if the organization cannot be served."""
    if isinstance(organization, FaultyOrganization):
        return f"{organization.plan or '-'} {FAULTY}"
    return organization.plan


def _day(organization: FoundOrganization) -> str | None:
    return organization.signed_up_on.isoformat() if organization.signed_up_on else None
