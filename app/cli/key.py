"""`flask key`: API keys of any organization."""

from datetime import timedelta

import click

from app.accounts.items import API_KEY_FIELDS, api_key_item
from app.audit.model import Author
from app.backends.outages import OUTAGES
from app.cli.arguments import author_option, key_argument, organization_argument
from app.cli.groups import OperatorGroup
from app.cli.instants import Duration
from app.cli.output import (
    FAULTY,
    OutputLost,
    Record,
    environment_option,
    json_option,
    print_change,
    print_records,
    print_secret,
    say,
)
from app.cli.text import Utf8Text
from app.http.application import provided
from app.http.instants import format_datetime
from app.schema import require_schema
from app.tenancy.api_keys import ApiKeys
from app.tenancy.key_lists import KeyLists
from app.tenancy.key_rules import MAX_KEY_DAYS
from app.tenancy.key_search import KeySearch
from app.tenancy.model import ApiKey, Environment, FaultyKey, FoundKey, Scope
from app.tenancy.rotation import KeyRotation, Rotation
from app.tenancy.service import Organizations

group = OperatorGroup("key", reading=("list",), help="Make, list, rotate and revoke API keys.")

_SCOPES = click.Choice([scope.value for scope in Scope])


@group.command("create")
@organization_argument
@click.option("--scope", type=_SCOPES, required=True, help="Each includes the ones before it.")
@environment_option()
@click.option(
    "--expires-in", "days", type=click.IntRange(1, MAX_KEY_DAYS), help="Days; never if left out."
)
@click.option("--label", type=Utf8Text(), help="A name for listings, without white space.")
@author_option
@json_option
def create(
    organization_id: str,
    *,
    scope: str,
    environment: str,
    days: int | None,
    label: str | None,
    by: Author,
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
        by=by,
    )
    try:
        _print_new(key, plaintext, as_json=as_json)
    except OutputLost:
        _withdraw(key, by)
        raise click.ClickException("The key could not be shown, so none was made.") from None


def _withdraw(key: ApiKey, by: Author) -> None:
    try:
        provided(ApiKeys).withdraw(key, by=by)
    except OUTAGES:
        raise click.ClickException(
            f"Key {key.id} could be neither shown nor removed: run `flask key revoke {key.id}`."
        ) from None


def _print_new(
    key: ApiKey, plaintext: str, replaced: Record | None = None, *, as_json: bool
) -> None:
    record = _record(key) | ({"replaces": replaced} if replaced else {})
    if as_json:
        print_secret(record | {"key": plaintext}, as_json=as_json)
        return
    once = f"{plaintext}\nKeep this key now: it is not shown again.\n"
    print_secret(record, as_json=as_json, after=once)


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
@key_argument
@author_option
@json_option
def revoke(text: str, *, by: Author, as_json: bool) -> None:
    """Refuse a key from now on, everywhere within 5 seconds.

    Name it by its id, by its whole text, or by the hint that lists show, such as
    uniq_live_Ab12... A whole key on the command line is visible to other users of the machine, in
    `ps` and in the history of the shell: with `-` it is read from standard input.
    There it may stand in the text that leaked: `flask key revoke - <leaked.txt`
    """
    found = provided(KeySearch).find(text)
    print_change(_record(provided(ApiKeys).revoke_found(found, by=by)), as_json=as_json)


@group.command("rotate")
@key_argument
@click.option(
    "--overlap",
    type=Duration(),
    default="24h",
    show_default=True,
    help="How long the replaced key is still accepted, such as 90m; 0s ends it at once.",
)
@author_option
@json_option
def rotate(text: str, *, overlap: timedelta, by: Author, as_json: bool) -> None:
    """Replace a key by a new one like it.

    The new key is shown; the old one expires after the overlap. The new key has the same
    environment, scope, label and days of life. Name the old one as for `key revoke`; `-` reads it
    from standard input.
    """
    require_schema()
    rotation = provided(KeyRotation).rotate(text, overlap, by=by)
    ends = rotation.ends.expires_at
    replaced = {"id": rotation.ends.id, "expires_at": format_datetime(ends) if ends else None}
    try:
        _print_new(rotation.new, rotation.plaintext, replaced, as_json=as_json)
    except OutputLost:
        _undo(rotation, by)
        raise click.ClickException("The new key could not be shown, so none was made.") from None


def _undo(rotation: Rotation, by: Author) -> None:
    try:
        provided(KeyRotation).undo(rotation, by=by)
    except OUTAGES:
        raise click.ClickException(
            f"Key {rotation.new.id} could be neither shown nor removed: run `flask key revoke "
            f"{rotation.new.id}`. Look at the expiry of {rotation.before.id} too."
        ) from None


def _record(key: FoundKey) -> Record:
    return _item(key) | {"organization_id": key.organization_id}


def _item(key: FoundKey) -> Record:
    """Show a key; of a damaged one only the id, marked."""
    if isinstance(key, FaultyKey):
        return dict.fromkeys(API_KEY_FIELDS) | {"id": key.id, "scope": FAULTY}
    return api_key_item(key)
