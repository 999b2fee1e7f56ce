"""Read organizations and API keys from stored documents, any field of which may be damaged."""

from collections.abc import Mapping
from datetime import date, datetime
from types import NoneType
from typing import Any

from app.http.faults import AccountFault
from app.tenancy.model import (
    ApiKey,
    Environment,
    FaultyKey,
    FaultyOrganization,
    FoundKey,
    FoundOrganization,
    Organization,
    Plan,
    Scope,
)
from app.tenancy.own_limits import stored_faults, temporary_limits_at
from app.tenancy.plans import effective_limits

Document = Mapping[str, Any]
Kinds = tuple[type, ...]

_ORGANIZATION: Mapping[str, Kinds] = {
    "_id": (str,),
    "name": (str,),
    "plan": (str,),
    "overrides": (dict,),
    "is_suspended": (bool,),
    "signed_up_on": (date,),
    "created_at": (datetime,),
}
# `flask org set-plan` replaces these.
_SET_BY_PLAN = frozenset({"plan", "overrides", "temporary_limits"})
_KEY: Mapping[str, Kinds] = {
    "_id": (str,),
    "organization_id": (str,),
    "environment": (str,),
    "scope": (str,),
    "lookup": (str,),
    "digest": (str,),
    "hint": (str,),
    "created_at": (datetime,),
    "label": (str, NoneType),
    "expires_at": (datetime, NoneType),
    "revoked_at": (datetime, NoneType),
}


def organization_of(
    document: Document, plans: Mapping[str, Plan], now: datetime
) -> FoundOrganization:
    """Return the organization with its limits at `now`; a faulty one with its readable fields."""
    reason = _organization_fault(document, plans)
    if reason is not None:
        return _faulty(document, reason)
    temporary = temporary_limits_at(document, now)
    own = {**document["overrides"], **{name: each.value for name, each in temporary.items()}}
    return Organization(
        id=document["_id"],
        name=document["name"],
        plan=document["plan"],
        limits=effective_limits(plans[document["plan"]], own),
        signed_up_on=document["signed_up_on"],
        created_at=document["created_at"],
        overrides=document["overrides"],
        is_suspended=document["is_suspended"],
        temporary_limits=temporary,
    )


def require_sound_organization(found: Organization | FaultyOrganization) -> Organization:
    """Return `found`; `AccountFault` if it is faulty."""
    if isinstance(found, FaultyOrganization):
        raise AccountFault(found.id, found.reason)
    return found


def key_of(document: Document) -> FoundKey:
    """Return the key; a faulty one with the reason if its document is damaged."""
    damaged = _damaged(document, _KEY)
    if document.get("environment") not in list(Environment):
        damaged.append("environment")
    if document.get("scope") not in list(Scope):
        damaged.append("scope")
    if damaged:
        return _faulty_key(document, sorted(set(damaged)))
    fields = {name: document[name] for name in _KEY if name != "_id"}
    fields |= {"environment": Environment(fields["environment"]), "scope": Scope(fields["scope"])}
    # Damaged or missing, these keep nobody from using the key.
    used_at, replaced_by = document.get("last_used_at"), document.get("replaced_by")
    fields["last_used_at"] = used_at if isinstance(used_at, datetime) else None
    fields["replaced_by"] = replaced_by if isinstance(replaced_by, str) else None
    return ApiKey(id=document["_id"], **fields)


def require_sound_key(found: FoundKey | None) -> ApiKey | None:
    """Return `found`; `AccountFault` if it is damaged."""
    return None if found is None else sound_key(found)


def sound_key(found: FoundKey) -> ApiKey:
    """Return `found`; `AccountFault` if it is damaged."""
    if isinstance(found, FaultyKey):
        raise AccountFault(found.organization_id, found.reason)
    return found


def _organization_fault(document: Document, plans: Mapping[str, Plan]) -> str | None:
    name = f"organization {document['_id']}"
    damaged = _damaged(document, _ORGANIZATION)
    damaged += [name for name in stored_faults(document) if name not in damaged]
    set_plan = f"run `flask org set-plan {document['_id']} PLAN`"
    if damaged and _SET_BY_PLAN.issuperset(damaged):
        return f"Damaged or missing in {name}: {', '.join(damaged)}. To set them, {set_plan}."
    if damaged:
        return (
            f"Damaged or missing in {name}: {', '.join(damaged)}. "
            "Restore these fields in the collection `organizations`."
        )
    if document["plan"] not in plans:
        return (
            f"The {name} is on plan '{document['plan']}', which the plan file lacks: "
            f"put the plan back, or {set_plan}."
        )
    return None


def _faulty(document: Document, reason: str) -> FaultyOrganization:
    damaged = _damaged(document, _ORGANIZATION)
    read = {
        field: None if field in damaged else document[field]
        for field in ("name", "plan", "signed_up_on", "created_at", "is_suspended")
    }
    return FaultyOrganization(id=str(document["_id"]), reason=reason, **read)


def _faulty_key(document: Document, damaged: list[str]) -> FaultyKey:
    key_id = str(document["_id"])
    return FaultyKey(
        id=key_id,
        organization_id=str(document.get("organization_id")),
        reason=f"Damaged or missing in API key {key_id}: {', '.join(damaged)}. "
        f"Run `flask key revoke {key_id}` and make another key.",
    )


def _damaged(document: Document, kinds: Mapping[str, Kinds]) -> list[str]:
    """Return the fields that are missing or have a wrong type."""
    return [
        name
        for name, kind in kinds.items()
        if name not in document or not isinstance(document[name], kind)
    ]
