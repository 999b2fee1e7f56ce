"""The data of the organization page, from the services that the commands and the API use."""

from itertools import islice
from typing import Any

from app.admission.clock import LedgerClock
from app.admission.peek import Account
from app.audit.model import Action, Entry
from app.audit.trail import AuditTrail
from app.console.key_rows import key_row
from app.console.limits_data import limits_data, plans_data
from app.console.parts import part
from app.console.quota_data import bucket_data, projection_data, quota_data
from app.console.usage_data import Span, days_of, pace_days, range_of, refusals_data, usage_data
from app.http.application import provided
from app.http.instants import datetime_of_us, format_datetime, format_us
from app.interactions.model import Filters, Item
from app.interactions.service import InteractionService
from app.minutes.service import Minutes
from app.tenancy.key_lists import KeyLists
from app.tenancy.model import (
    Environment,
    FaultyOrganization,
    FoundOrganization,
    Organization,
    account_of,
)
from app.tenancy.service import Organizations
from app.usage.service import UsageService
from app.watch.accounts import Accounts

TURNS_COUNT = 10
KEYS_COUNT = 25
# Later than every turn: a list of the newest turns needs no instant of its account.
_AFTER_ALL_US = 2**53


class OrganizationData:
    """Computes the parts of the page of one account, as of one instant."""

    def __init__(self, organization: Organization, environment: Environment) -> None:
        self._organization = organization
        self._environment = environment
        self._account = account_of(organization.id, environment)
        self._now_us = provided(LedgerClock).now_us()
        self._period = provided(Accounts).period(organization)

    def page(self, span: Span) -> dict[str, Any]:
        """Return the data of the whole page; parts whose store is unavailable say so."""
        usage = part(lambda: self._usage(span))
        quota = part(self._quota)
        return {
            "as_of": format_us(self._now_us),
            "organization": organization_data(self._organization),
            "environment": self._environment.value,
            "suspension": part(self._suspension),
            "quota": quota,
            "projection": part(lambda: self._projection(quota)),
            "now": part(self._now),
            "usage": usage,
            "refusals": part(lambda: self._refusals(span)),
            "turns": part(self._turns),
            "keys": part(self._keys),
            "limits": self._limits(),
            "plans": plans_data(provided(Organizations).plans),
        }

    def _now_ms(self) -> int:
        return self._now_us // 1_000

    def _quota(self) -> dict[str, Any]:
        account = Account(self._organization, self._environment)
        quota = provided(Accounts).find_quota(account)
        limits = self._organization.limits
        if quota is None:
            return {"is_loaded": False}
        return {"is_loaded": True, **quota_data(quota, limits, self._now_us)}

    def _projection(self, quota: dict[str, Any]) -> dict[str, Any]:
        if not quota.get("is_loaded"):
            return {"pace": None}
        created_ms = int(self._organization.created_at.timestamp() * 1_000)
        days = pace_days(provided(UsageService), self._account, created_ms, self._now_ms())
        turns = quota["components"][0]
        return {"pace": projection_data(turns, days, self._period.end_us, self._now_us)}

    def _now(self) -> dict[str, Any]:
        bucket = provided(Accounts).bucket(self._organization)
        # Not the instant of the page: a bucket fills within a second.
        now_us = provided(LedgerClock).now_us()
        refused = provided(Minutes).refused_now().get(self._organization.id, {})
        return {
            "bucket": bucket_data(bucket, self._organization.limits, now_us),
            "refused": sum(refused.values()),
            "causes": dict(refused),
        }

    def _usage(self, span: Span) -> dict[str, Any]:
        service, start_ms = provided(UsageService), self._period.start_us // 1_000
        return usage_data(service, self._account, span, start_ms, self._now_ms())

    def _refusals(self, span: Span) -> dict[str, Any]:
        bounds = range_of(span, self._period.start_us // 1_000, self._now_ms())
        return refusals_data(provided(Minutes), self._organization.id, days_of(*bounds))

    def _suspension(self) -> dict[str, Any]:
        if not self._organization.is_suspended:
            return {"entry": None}
        action = Action.ORGANIZATION_SUSPENDED
        found = provided(AuditTrail).list_(self._organization.id, action, at_most=1)
        return {"entry": entry_data(found[0]) if found else None}

    def _turns(self) -> dict[str, Any]:
        found = provided(InteractionService).list_(
            self._account,
            Filters(),
            TURNS_COUNT,
            None,
            time_us=self._now_us,
            account_now_us=lambda: _AFTER_ALL_US,
        )
        return {"turns": [_turn(item) for item in found.items]}

    def _keys(self) -> dict[str, Any]:
        found = list(islice(provided(KeyLists).all_(self._organization.id), KEYS_COUNT + 1))
        names = {self._organization.id: self._organization.name}
        now = datetime_of_us(self._now_us)
        return {
            "keys": [key_row(key, names, now) for key in found[:KEYS_COUNT]],
            "has_more": len(found) > KEYS_COUNT,
        }

    def _limits(self) -> list[dict[str, Any]]:
        return limits_data(
            self._organization, provided(Organizations).plans.get(self._organization.plan)
        )


def faulty_organization_data(organization: FaultyOrganization) -> dict[str, Any]:
    """Return the data of the page of an organization that cannot be served."""
    now = format_us(provided(LedgerClock).now_us())
    return {"as_of": now, "organization": organization_data(organization)}


def organization_data(organization: FoundOrganization) -> dict[str, Any]:
    """Return what identifies an organization; `fault` is why it cannot be served."""
    plan = provided(Organizations).plans.get(organization.plan or "")
    signed_up_on, created_at = organization.signed_up_on, organization.created_at
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": organization.plan,
        "plan_name": plan.name if plan else organization.plan,
        "is_suspended": organization.is_suspended,
        "signed_up_on": signed_up_on.isoformat() if signed_up_on else None,
        "created_at": format_datetime(created_at) if created_at else None,
        "fault": None if isinstance(organization, Organization) else organization.reason,
    }


def entry_data(entry: Entry) -> dict[str, Any]:
    """Return when and by whom a change was made, and why."""
    return {"at": format_datetime(entry.at), "who": entry.who, "reason": entry.reason}


def _turn(item: Item) -> dict[str, Any]:
    """Return the fields of a turn that name nobody."""
    usage, emotion = item["usage"] or {}, item["inferred_emotional_state"] or {}
    return {
        "interaction_id": item["interaction_id"],
        "created_at": item["created_at"],
        "status": item["status"],
        "mode": item["mode"],
        "model": usage.get("llm_model"),
        "provider": usage.get("llm_provider"),
        "emotion": emotion.get("primary"),
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "latency_ms": item["latency_ms"],
        "time_to_first_token_ms": item["time_to_first_token_ms"],
    }
