"""Made-up organizations with traffic, for pictures of the console; nothing is anybody's data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from flask import Flask

from app.audit.model import Author
from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import cut_to_ms, parse_ms, utc_now
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Environment, Organization, Scope
from app.tenancy.service import Organizations
from app.usage.archive_pass import ArchivePass
from devkit.demo_history import past_turns
from tests.browser.showcase_minutes import write_minutes
from tests.callers import Caller
from tests.turns import DAY_MS, body, now_ms, stateful

AUTHOR = Author("console:on-call-eu")
# More calls than the burst of any plan here.
BURST_CALLS = 80
MOST_PER_TURN = 1_000


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organization; `percent` of the plan's turns are used, `turns` is its history."""

    name: str
    plan: str
    percent: int
    days_ago: int
    turns: int
    labels: Sequence[str] = ("production",)


TENANTS = (
    Tenant("Kestrel Learning", "free", 4, 5, 20),
    Tenant("Juniper Fitness", "pro", 12, 33, 240),
    Tenant("Fennel Recipes", "free", 34, 12, 80),
    Tenant("Dune Travel", "pro", 52, 90, 300),
    Tenant("Alder Helpdesk", "pro", 71, 178, 600, ("production", "reports")),
    Tenant("Grove Retail", "free", 83, 27, 200),
    Tenant("Brook Tutoring", "pro", 88, 194, 9_000, ("production", "mobile-app")),
    Tenant("Cobalt Games", "pro", 96, 143, 900, ("production", "night-batch", "staging")),
    Tenant("Halyard Notes", "free", 100, 61, 300),
)


def fill(app: Flask, base_url: str) -> dict[str, Caller]:
    """Make the showcase in the stores of `app`, by requests to `base_url` where there are any."""
    with app.app_context():
        callers = {each.name: _make(app, each) for each in TENANTS}
        provided(ArchivePass).run()
        _change({name: caller.organization for name, caller in callers.items()})
        write_minutes({name: caller.organization.id for name, caller in callers.items()})
    with httpx.Client(base_url=base_url, timeout=60) as client:
        for each in TENANTS:
            _use(client, callers[each.name], each)
        _be_refused(client, callers)
    return callers


def _make(app: Flask, tenant: Tenant) -> Caller:
    since = (utc_now() - timedelta(days=tenant.days_ago)).date()
    organization = provided(Organizations).create(tenant.name, tenant.plan, since, by=AUTHOR)
    keys = [_key(organization, label) for label in tenant.labels]
    caller = Caller(app, organization, Environment.LIVE, keys[0][1], keys[0][0])
    caller.import_(_history(tenant))
    _date_back(organization, tenant.days_ago)
    return caller


def _date_back(organization: Organization, days_ago: int) -> None:
    """Let an organization be as old as its history, from which the pace is computed."""
    organizations = provided(Backend).database["organizations"]
    created_at = cut_to_ms(utc_now() - timedelta(days=days_ago))
    organizations.update_one({"_id": organization.id}, {"$set": {"created_at": created_at}})


def _key(organization: Organization, label: str) -> tuple[str, str]:
    key, token = provided(ApiKeys).issue(
        organization.id, Environment.LIVE, Scope.READ_WRITE, label=label, by=AUTHOR
    )
    return key.id, token


def _history(tenant: Tenant) -> Iterator[Any]:
    """Yield turns since the organization's sign-up."""
    oldest_ms = now_ms() - tenant.days_ago * DAY_MS
    for turn in past_turns("scale", tenant.turns, now_ms()):
        if parse_ms(turn["occurred_at"]) >= oldest_ms:
            yield turn


def _change(organizations: dict[str, Organization]) -> None:
    """Leave some changes in the audit trail."""
    service = provided(Organizations)
    ticket = Author("console:on-call-eu", "ticket 4790: launch day")
    until = int((utc_now() + timedelta(days=8)).timestamp()) // 86_400 * DAY_MS
    service.change_limits(
        organizations["Dune Travel"].id, {"turns": 60_000}, until_ms=until, by=ticket
    )
    unpaid = Author("console:support-us", "invoice 60 days overdue")
    service.suspend(organizations["Kestrel Learning"].id, by=unpaid)


def _use(client: httpx.Client, caller: Caller, tenant: Tenant) -> None:
    """Charge the tenant's part of its quota, and hold a few turns."""
    if caller.organization.name == "Kestrel Learning":
        return
    limit = 1_000 if tenant.plan == "free" else 50_000
    left = limit * tenant.percent // 100
    turns: list[Any] = []
    while left:
        cost = min(left, max(limit // 50, 1))
        turns.append(_turn(len(turns), cost))
        left -= cost
    _send(client, caller, "/v1/interactions/batch", {"interactions": turns})
    for number in range(2):
        held = {"turn_id": f"held-{number}", "mode": "stateless", "personality_id": "pers_ada"}
        client.post("/v1/turns", json=held, headers=caller.headers)


def _turn(number: int, cost: int) -> Any:
    usage = {
        "turns_consumed": min(cost, MOST_PER_TURN),
        "llm_provider": "openai",
        "llm_model": "gpt-4o-mini" if number % 3 else "gpt-4o",
        "input_tokens": 300 + 17 * number,
        "output_tokens": 90 + 7 * number,
    }
    latency_ms = 700 + 61 * (number % 23)
    person = number % 17
    return stateful(f"rel_{person}", f"u_{person}", usage=usage, latency_ms=latency_ms)


def _send(client: httpx.Client, caller: Caller, path: str, payload: Any) -> None:
    answer = client.post(path, json=payload, headers=caller.headers)
    assert answer.status_code == 200, answer.text


def _be_refused(client: httpx.Client, callers: dict[str, Caller]) -> None:
    """Send requests that are refused for every usual reason."""
    brook, halyard = callers["Brook Tutoring"], callers["Halyard Notes"]
    client.get("/v1/interactions?limit=0", headers=brook.headers)
    client.get("/v1/interactions/int_01M857XXQR2GNR1S1XH5D8P7Q6", headers=brook.headers)
    client.get("/v1/api-keys", headers=brook.headers)
    client.post("/v1/interactions", json={"message": "hello"}, headers=brook.headers)
    client.get("/v1/me", headers=callers["Kestrel Learning"].headers)
    client.get("/v1/me")
    for _ in range(6):
        client.post("/v1/interactions", json=body(), headers=halyard.headers)
    for _ in range(BURST_CALLS):
        client.get("/v1/me", headers=callers["Cobalt Games"].headers)
