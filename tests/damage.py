"""Damage the stored data of one account, as an older release or a broken restore leaves it."""

from typing import Any

from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided

# Faults of an organization's document, each as an update.
ORGANIZATIONS: dict[str, dict[str, Any]] = {
    "a plan that the file lacks": {"$set": {"plan": "gold"}},
    "no overrides": {"$unset": {"overrides": ""}},
    "overrides of a wrong type": {"$set": {"overrides": "many"}},
    "an override of a wrong type": {"$set": {"overrides": {"burst": "many"}}},
    "a temporary limit of a wrong type": {
        "$set": {"temporary_limits": {"turns": {"value": "many", "until_ms": 4_000_000_000_000}}}
    },
    "a temporary limit without an end": {
        "$set": {"temporary_limits": {"turns": {"value": 5, "until_ms": None}}}
    },
    "no plan": {"$unset": {"plan": ""}},
    "no name": {"$unset": {"name": ""}},
    "no sign-up day": {"$unset": {"signed_up_on": ""}},
    "a sign-up day that is none": {"$set": {"signed_up_on": "yesterday"}},
    "an instant of a wrong type": {"$set": {"created_at": "yesterday"}},
    "a suspension of a wrong type": {"$set": {"is_suspended": "no"}},
}
FIXED_BY_SET_PLAN = ("plan", "overrides", "override", "temporary")


def damage(app: Flask, collection: str, chosen: dict[str, Any], change: dict[str, Any]) -> None:
    """Apply `change` to the one document of `collection` that matches `chosen`."""
    with app.app_context():
        found = provided(Backend).database[collection]
    assert found.update_one(chosen, change).modified_count == 1


def damage_organization(app: Flask, organization_id: str, kind: str) -> None:
    """Damage an organization's document in one of the ways of `ORGANIZATIONS`."""
    damage(app, "organizations", {"_id": organization_id}, ORGANIZATIONS[kind])
