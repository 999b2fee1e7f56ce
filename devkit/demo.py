"""Make the demo: organizations, API keys and a history, for the local run.

The history charges no quota and contains nobody's data.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import click

from app.admission.clock import LedgerClock
from app.cli.groups import OperatorGroup
from app.cli.output import print_change, progress_bar
from app.http.application import provided
from app.http.faults import AccountFault
from app.http.instants import utc_now
from app.interactions.importing import TurnImporter
from app.tenancy.api_keys import ApiKeys
from app.tenancy.authentication import Authenticator
from app.tenancy.errors import AuthenticationFailed
from app.tenancy.key_lists import KeyLists
from app.tenancy.model import ApiKey, Environment, Organization, Scope, account_of
from app.tenancy.periods import period_at
from app.tenancy.records import require_sound_organization
from app.tenancy.service import Organizations
from app.usage.archive_pass import ArchivePass
from app.usage.store import UsageStore
from devkit.demo_history import HISTORY_DAYS, SHARES, past_turns

group = OperatorGroup("demo", help="Organizations, keys and a history to look at.")

LABEL = "demo"
DEFAULT_TURNS = 20_000
TEST_KEY_PLAN = "pro"

Demo = dict[str, Any]
# An organization's id, and the environment and scope of a key.
Slot = tuple[str, Environment, Scope]


@group.command("seed")
@click.option("--turns", "turns_count", type=click.IntRange(0, 10_000_000), default=DEFAULT_TURNS)
@click.option("--new-keys", is_flag=True, help="Revoke the demo's keys and make new ones.")
def seed(*, turns_count: int, new_keys: bool) -> None:
    """Make one organization for each plan, keys and a history; print JSON.

    A second run adds nothing. Keys are shown only once: then `keys` is null, unless --new-keys
    asks for new ones.
    """
    print_change(seed_demo(turns_count, new_keys=new_keys), as_json=True)


def seed_demo(turns_count: int, *, new_keys: bool = False) -> Demo:
    """Make the missing parts of the demo; see `seed`."""
    organizations = _organizations()
    keys = _keys(organizations, new_keys=new_keys)
    _import_all(organizations, turns_count)
    return keys | _ids(organizations)


def restore_demo(turns_count: int, kept: Demo | None) -> Demo:
    """Make the missing parts of the demo, and new keys for those in `kept` that do not work.

    Revokes none: others may use the same stores, with keys of their own.
    """
    organizations = _organizations()
    working = _working_keys(kept)
    opened = {organization_id for organization_id, _, _ in working}
    _import_all(
        {plan: found for plan, found in organizations.items() if found.id not in opened},
        turns_count,
    )
    return _issue_all(organizations, working) | _ids(organizations)


def has_working_keys(demo: Demo) -> bool:
    """Return True if the demo has all keys and these stores accept them."""
    return len(_working_keys(demo)) == len(provided(Organizations).plans) * len(Scope) + 1


def _organizations() -> Mapping[str, Organization]:
    organizations = provided(Organizations)
    names = {plan: f"Demo {found.name}" for plan, found in organizations.plans.items()}
    # All of them first: a faulty one must end the command before another is made.
    known = {
        found.name: require_sound_organization(found)
        for found in reversed(organizations.list_())
        if found.name in names.values()
    }
    return {plan: known.get(name) or _create(name, plan) for plan, name in names.items()}


def _create(name: str, plan: str) -> Organization:
    signed_up_on = (utc_now() - timedelta(days=HISTORY_DAYS)).date()
    return provided(Organizations).create(name, plan, signed_up_on)


def _ids(organizations: Mapping[str, Organization]) -> Demo:
    return {"organizations": {plan: found.id for plan, found in organizations.items()}}


def _keys(organizations: Mapping[str, Organization], *, new_keys: bool) -> Demo:
    known = [
        key
        for organization in organizations.values()
        for key in provided(KeyLists).all_(organization.id)
        if isinstance(key, ApiKey) and key.label == LABEL and key.revoked_at is None
    ]
    if known and not new_keys:
        return {"keys": None, "test_key": None}
    for key in known:
        provided(ApiKeys).revoke_found(key)
    return _issue_all(organizations, {})


def _issue_all(organizations: Mapping[str, Organization], working: Mapping[Slot, str]) -> Demo:
    """Return a key for each slot of the demo: the working one, or else a new one."""

    def key(organization: Organization, environment: Environment, scope: Scope) -> str:
        found = working.get((organization.id, environment, scope))
        return found or _issue(organization, environment, scope)

    return {
        "keys": {
            plan: {scope.value: key(organization, Environment.LIVE, scope) for scope in Scope}
            for plan, organization in organizations.items()
        },
        "test_key": key(organizations[TEST_KEY_PLAN], Environment.TEST, Scope.READ_WRITE),
    }


def _working_keys(demo: Demo | None) -> Mapping[Slot, str]:
    """Return the demo's keys that these stores accept, by slot."""
    authenticator = provided(Authenticator)
    working = {}
    for token in _tokens(demo) if demo else ():
        with suppress(AuthenticationFailed, AccountFault):
            principal = authenticator.authenticate(f"Bearer {token}")
            slot = (principal.organization_id, principal.environment, principal.scope)
            working[slot] = token
    return working


def _tokens(demo: Demo) -> Iterator[str]:
    for scopes in demo["keys"].values():
        yield from scopes.values()
    yield demo["test_key"]


def _issue(organization: Organization, environment: Environment, scope: Scope) -> str:
    _, plaintext = provided(ApiKeys).issue(organization.id, environment, scope, label=LABEL)
    return plaintext


def _import_all(organizations: Mapping[str, Organization], turns_count: int) -> None:
    for plan, organization in organizations.items():
        _import(organization, plan, round(turns_count * SHARES.get(plan, 0)))
    provided(ArchivePass).run()


def _import(organization: Organization, plan: str, count: int) -> None:
    account = account_of(organization.id, Environment.LIVE)
    if any(provided(UsageStore).days(account, "", "9")):
        return  # archived turns may have expired, and would count again
    now_us = provided(LedgerClock).now_us()
    period = period_at(organization.signed_up_on, now_us)
    turns = _with_progress(past_turns(plan, count, now_us // 1_000), count, organization.name)
    provided(TurnImporter).store(account, turns, period.label, now_us)


def _with_progress(turns: Iterable[Any], count: int, name: str) -> Iterator[Any]:
    with progress_bar(name, lambda: count) as advance:
        for turn in turns:
            yield turn
            advance(1)
