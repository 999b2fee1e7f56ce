"""Read the page of keys and what it changed."""

from typing import Any

from flask import Flask

from app.http.application import provided
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import ApiKey, Environment, Scope
from tests.callers import Caller
from tests.console.operator import NAME, Operator

KEYS = "/console/keys"
TWIN = "/console/keys.json"


def listed(operator: Operator, query: str = "") -> list[dict[str, Any]]:
    """Return the rows of the list."""
    found: list[dict[str, Any]] = operator.data(f"{TWIN}{query}")["list"]["keys"]
    return found


def entries(operator: Operator, action: str) -> list[dict[str, Any]]:
    """Return entries of the audit trail by the operator."""
    page = operator.data(f"/console/audit.json?kind=console&author={NAME}&action={action}")
    found: list[dict[str, Any]] = page["list"]["entries"]
    return found


def status_of(caller: Caller, token: str) -> int:
    """Return the status of a request with this key."""
    headers = {"Authorization": f"Bearer {token}"}
    return caller("GET", "/v1/me", headers=headers).status_code


def make(app: Flask, caller: Caller, label: str, **options: Any) -> tuple[ApiKey, str]:
    """Make a key of the caller's organization; return it with its plaintext."""
    with app.app_context():
        return provided(ApiKeys).issue(
            caller.organization.id, Environment.LIVE, Scope.READ, label=label, **options
        )
