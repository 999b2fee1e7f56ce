"""`flask org`: organizations, their plans and their own ceilings."""

from dataclasses import asdict
from typing import Any

import click

from app.cli.output import (
    OperatorGroup,
    Record,
    json_option,
    limit_text,
    organization_argument,
    print_record,
    print_records,
)
from app.cli.text import Utf8Text
from app.http.instants import format_datetime
from app.http.provide import provided
from app.tenancy.model import Organization, OveragePolicy
from app.tenancy.plans import BOUNDS, UNLIMITED
from app.tenancy.service import Organizations

group = OperatorGroup("org", help="Organizations, their plans and their own ceilings.")


class Ceiling(click.ParamType[int | str]):
    """A whole number, or the word `unlimited`."""

    name = f"N|{UNLIMITED}"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """The number or the word; a usage error for anything else."""
        text = str(value)
        if text == UNLIMITED:
            return UNLIMITED
        if text.isascii() and text.isdigit():
            return int(text)
        return self.fail(f"{value!r} is neither a whole number nor '{UNLIMITED}'.", param, ctx)


@group.command("create")
@click.argument("name", type=Utf8Text())
@click.option(
    "--plan", "plan_id", type=Utf8Text(), default="free", show_default=True, help="A plan's id."
)
@json_option
def create(name: str, plan_id: str, *, as_json: bool) -> None:
    """Make an organization; its billing periods are anchored on today."""
    _print(provided(Organizations).create(name, plan_id), as_json=as_json)


@group.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """Every organization, oldest first."""
    shape = _wire if as_json else _line
    print_records([shape(found) for found in provided(Organizations).list_()], as_json=as_json)


@group.command("show")
@organization_argument
@json_option
def show(organization_id: str, *, as_json: bool) -> None:
    """One organization with the limits in force."""
    _print(provided(Organizations).get_(organization_id), as_json=as_json)


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
    "--overage",
    "overage_policy",
    type=click.Choice([policy.value for policy in OveragePolicy]),
    help="What a spent quota does.",
)
@json_option
def set_plan(
    organization_id: str, plan_id: str, *, as_json: bool, **ceilings: int | str | None
) -> None:
    """Change the plan; the options are ceilings of its own and replace all former ones.

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


def _print(organization: Organization, *, as_json: bool) -> None:
    print_record(_wire(organization) if as_json else _row(organization), as_json=as_json)


def _wire(organization: Organization) -> Record:
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": organization.plan,
        "is_suspended": organization.is_suspended,
        "signed_up_on": organization.signed_up_on.isoformat(),
        "created_at": format_datetime(organization.created_at),
        "limits": asdict(organization.limits),
        "overrides": dict(organization.overrides),
    }


def _line(organization: Organization) -> Record:
    limits = organization.limits
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": organization.plan,
        "rate": f"{limits.requests_per_second:,}/s, burst {limits.burst:,}",
        "turns": limit_text(limits.turns),
        "relationships": limit_text(limits.active_relationships),
        "suspended": organization.is_suspended,
    }


def _row(organization: Organization) -> Record:
    limits = organization.limits
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": organization.plan,
        "suspended": organization.is_suspended,
        "signed_up_on": organization.signed_up_on.isoformat(),
        "requests_per_second": limit_text(limits.requests_per_second),
        "burst": limit_text(limits.burst),
        "turns": limit_text(limits.turns),
        "active_relationships": limit_text(limits.active_relationships),
        "overage": limits.overage_policy.value,
        "own_ceilings": ", ".join(organization.overrides) or None,
    }
