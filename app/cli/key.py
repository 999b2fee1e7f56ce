"""`flask key`: API keys of any organization."""

import click

from app.accounts.items import API_KEY_FIELDS, api_key_item
from app.backends.outages import OUTAGES
from app.cli.output import (
    FAULTY,
    OperatorGroup,
    OutputLost,
    Record,
    environment_option,
    json_option,
    organization_argument,
    print_change,
    print_records,
    print_secret,
    say,
)
from app.cli.text import Utf8Text
from app.http.application import provided
from app.schema import require_schema
from app.tenancy.api_keys import ApiKeys
from app.tenancy.key_lists import KeyLists
from app.tenancy.key_rules import MAX_KEY_DAYS
from app.tenancy.model import ApiKey, Environment, FaultyKey, FoundKey, Scope
from app.tenancy.service import Organizations

group = OperatorGroup("key", reading=("list",), help="API keys of any organization.")

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
    """Make a key and show it; it is never shown again."""
    require_schema()
    organization = provided(Organizations).get_(organization_id)
    key, plaintext = provided(ApiKeys).issue(
        organization.id,
        Environment(environment),
        Scope(scope),
        expires_in_days=days,
        label=label,
    )
    try:
        _print_new(key, plaintext, as_json=as_json)
    except OutputLost:
        _withdraw(key)
        raise click.ClickException("The key could not be shown, so none was made.") from None


def _withdraw(key: ApiKey) -> None:
    try:
        provided(ApiKeys).withdraw(key)
    except OUTAGES:
        raise click.ClickException(
            f"Key {key.id} could be neither shown nor removed: run `flask key revoke {key.id}`."
        ) from None


def _print_new(key: ApiKey, plaintext: str, *, as_json: bool) -> None:
    if as_json:
        print_secret(_record(key) | {"key": plaintext}, as_json=as_json)
        return
    once = f"{plaintext}\nKeep this key now: it is not shown again.\n"
    print_secret(_record(key), as_json=as_json, after=once)


@group.command("list")
@organization_argument
@environment_option(default=None)
@json_option
def list_(organization_id: str, environment: str | None, *, as_json: bool) -> None:
    """List every key: active, then expired, then revoked, newest first. Shows no secrets."""
    organization = provided(Organizations).get_any(organization_id)
    only = Environment(environment) if environment else None
    keys = list(provided(KeyLists).all_(organization.id, only))
    # A table leaves out the organization, which the operator has just typed.
    shape = _record if as_json else _item
    print_records([shape(key) for key in keys], as_json=as_json)
    for key in keys:
        if isinstance(key, FaultyKey):
            say(key.reason)


@group.command("revoke")
@click.argument("key_id", metavar="KEY_ID", type=Utf8Text())
@json_option
def revoke(key_id: str, *, as_json: bool) -> None:
    """Refuse a key from now on, everywhere within 5 seconds."""
    print_change(_record(provided(ApiKeys).revoke_by_id(key_id)), as_json=as_json)


def _record(key: FoundKey) -> Record:
    return _item(key) | {"organization_id": key.organization_id}


def _item(key: FoundKey) -> Record:
    """Show a key; of a damaged one only the id, marked."""
    if isinstance(key, FaultyKey):
        return dict.fromkeys(API_KEY_FIELDS) | {"id": key.id, "scope": FAULTY}
    return api_key_item(key)
