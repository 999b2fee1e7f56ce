"""Collect the operations and the plans of this server for the start page."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from flask import current_app
from markupsafe import Markup

from app.accounts.items import plan_item
from app.http.application import provided
from app.policies import POLICIES
from app.reference.markup import to_html
from app.tenancy.service import Organizations

_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
_METHODS = ("GET", "POST", "PUT", "DELETE")


class Operation(NamedTuple):
    """A row of the start page's table; `scope` is None if no key is needed."""

    method: str
    path: str
    scope: str | None
    summary: Markup


def list_operations() -> list[Operation]:
    """Return every operation below `/v1`, in the order of the routes."""
    return list(_operations())


def list_plans() -> list[dict[str, Any]]:
    """Return the plans as `GET /v1/billing/plans` returns them."""
    return [plan_item(plan) for plan in provided(Organizations).plans.values()]


def _operations() -> Iterator[Operation]:
    for rule in current_app.url_map.iter_rules():
        if not rule.rule.startswith("/v1/"):
            continue
        scope = POLICIES[rule.endpoint].scope
        summary = (current_app.view_functions[rule.endpoint].__doc__ or "").partition("\n")[0]
        for method in _METHODS:
            if method in (rule.methods or ()):
                path = _VARIABLE.sub(r"{\1}", rule.rule)
                yield Operation(method, path, scope and scope.value, to_html(summary))
