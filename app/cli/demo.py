"""`flask demo`: organizations, keys and a history to look at, for the local run.

The past charges no quota, and nothing in it is anybody's data.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import click

from app.admission.clock import LedgerClock
from app.cli.demo_history import HISTORY_DAYS, SHARES, past_turns
from app.cli.output import OperatorGroup, print_record
from app.http.instants import utc_now
from app.http.provide import provided
from app.interactions.history import HistoryImport
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Environment, Organization, Scope, account_of
from app.tenancy.periods import period_at
from app.tenancy.service import Organizations

group = OperatorGroup("demo", help="A demo to look at.")

LABEL = "demo"
DEFAULT_TURNS = 20_000
TEST_KEY_PLAN = "pro"

Demo = dict[str, Any]


@group.command("seed")
@click.option("--turns", "turns_count", type=click.IntRange(0, 10_000_000), default=DEFAULT_TURNS)
@click.option("--new-keys", is_flag=True, help="Revoke the demo's keys and make new ones.")
def seed(*, turns_count: int, new_keys: bool) -> None:
    """One organization a plan, keys, and a history; prints JSON.

    Done again it adds nothing. Keys are shown only once: then `keys` is null, unless --new-keys
    asks for new ones.
    """
    print_record(seed_demo(turns_count, new_keys=new_keys), as_json=True)


def seed_demo(turns_count: int, *, new_keys: bool = False) -> Demo:
    """Make what is missing of the demo; see `seed`."""
    organizations = {plan: _organization(plan) for plan in provided(Organizations).plans}
    keys = _keys(organizations, new_keys=new_keys)
    for plan, organization in organizations.items():
        _import(organization, plan, round(turns_count * SHARES.get(plan, 0)))
    return keys | {"organizations": {plan: found.id for plan, found in organizations.items()}}


def _organization(plan: str) -> Organization:
    organizations = provided(Organizations)
    name = f"Demo {organizations.plans[plan].name}"
    for found in organizations.list_():
        if found.name == name:
            return found
    signed_up_on = (utc_now() - timedelta(days=HISTORY_DAYS)).date()
    return organizations.create(name, plan, signed_up_on)


def _keys(organizations: Mapping[str, Organization], *, new_keys: bool) -> Demo:
    known = [
        key
        for organization in organizations.values()
        for key in provided(ApiKeys).list_(organization.id)
        if key.label == LABEL and key.revoked_at is None
    ]
    if known and not new_keys:
        return {"keys": None, "test_key": None}
    for key in known:
        provided(ApiKeys).revoke_by_id(key.id)
    return {
        "keys": {
            plan: {scope.value: _issue(organization, Environment.LIVE, scope) for scope in Scope}
            for plan, organization in organizations.items()
        },
        "test_key": _issue(organizations[TEST_KEY_PLAN], Environment.TEST, Scope.READ_WRITE),
    }


def _issue(organization: Organization, environment: Environment, scope: Scope) -> str:
    _, plaintext = provided(ApiKeys).issue(organization.id, environment, scope, label=LABEL)
    return plaintext


def _import(organization: Organization, plan: str, count: int) -> None:
    now_us = provided(LedgerClock).now_us()
    period = period_at(organization.signed_up_on, now_us)
    turns = _with_progress(past_turns(plan, count, now_us // 1_000), count, organization.name)
    account = account_of(organization.id, Environment.LIVE)
    provided(HistoryImport).store(account, turns, period.label, now_us)


def _with_progress(turns: Iterable[Any], count: int, name: str) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield from turns
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(turns, total=count, description=name, console=Console(stderr=True))
