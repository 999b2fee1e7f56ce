"""`flask key`: API keys of any organization."""

import click

from app.accounts.items import api_key_item
from app.cli.output import (
    OperatorGroup,
    Record,
    environment_option,
    json_option,
    organization_argument,
    print_record,
    print_records,
    print_text,
)
from app.cli.text import Utf8Text
from app.http.provide import provided
from app.tenancy.api_keys import MAX_KEY_DAYS, ApiKeys
from app.tenancy.model import ApiKey, Environment, Scope
from app.tenancy.service import Organizations

group = OperatorGroup("key", help="API keys of any organization.")

_SCOPES = click.Choice([scope.value for scope in Scope])


@group.command("create")
@organization_argument
@click.option("--scope", type=_SCOPES, required=True, help="Each includes the ones before it.")
@environment_option()
@click.option(
    "--expires-in", "days", type=click.IntRange(1, MAX_KEY_DAYS), help="Days; never if left out."
)
@click.option("--label", type=Utf8Text(), help="A name for listings, without white space.")
@json_option
def create(
    organization_id: str,
    *,
    scope: str,
    environment: str,
    days: int | None,
    label: str | None,
    as_json: bool,
) -> None:
    """Make a key and show it, this once."""
    organization = provided(Organizations).get_(organization_id)
    key, plaintext = provided(ApiKeys).issue(
        organization.id,
        Environment(environment),
        Scope(scope),
        expires_in_days=days,
        label=label,
    )
    if as_json:
        print_record(_record(key) | {"key": plaintext}, as_json=as_json)
        return
    print_record(_record(key), as_json=as_json)
    print_text(f"{plaintext}\nKeep this key now: it is not shown again.")


@group.command("list")
@organization_argument
@environment_option(default=None)
@json_option
def list_(organization_id: str, environment: str | None, *, as_json: bool) -> None:
    """An organization's keys, newest first; the secrets are not kept and not shown."""
    organization = provided(Organizations).get_(organization_id)
    only = Environment(environment) if environment else None
    keys = provided(ApiKeys).list_(organization.id, only)
    # A table leaves out the organization, which whoever lists its keys has just named.
    shape = _record if as_json else api_key_item
    print_records([shape(key) for key in keys], as_json=as_json)


@group.command("revoke")
@click.argument("key_id", metavar="KEY_ID", type=Utf8Text())
@json_option
def revoke(key_id: str, *, as_json: bool) -> None:
    """Make a key useless, everywhere within 5 seconds."""
    print_record(_record(provided(ApiKeys).revoke_by_id(key_id)), as_json=as_json)


def _record(key: ApiKey) -> Record:
    return api_key_item(key) | {"organization_id": key.organization_id}
