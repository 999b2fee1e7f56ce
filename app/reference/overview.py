"""Collect the operations and the plans of this server for the start page."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from flask import Flask, current_app
from flask_smorest import Blueprint
from markupsafe import Markup

from app.accounts.items import plan_item
from app.http.application import provided
from app.policies import POLICIES
from app.reference.document import document
from app.reference.markup import to_html
from app.tenancy.service import Organizations

_DOCUMENTED = "turnledger.documented"
_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")


class Operation(NamedTuple):
    """A row of the start page's table; `scope` is "" if no key is needed.

    `fragment` leads to the operation on the page of Swagger UI.
    """

    method: str
    path: str
    scope: str
    summary: Markup
    fragment: str


def init_app(app: Flask, blueprints: tuple[Blueprint, ...]) -> None:
    """Let the start page list the operations of `blueprints`."""
    app.extensions[_DOCUMENTED] = blueprints


def list_operations() -> tuple[Operation, ...]:
    """Return every operation below `/v1`, in the order of the document's tags."""
    scopes = {
        _VARIABLE.sub(r"{\1}", rule.rule) + method: POLICIES[rule.endpoint].scope
        for rule in current_app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    operations = _describe(current_app.extensions[_DOCUMENTED])
    return tuple(each._replace(scope=scopes[each.path + each.method] or "") for each in operations)


def list_plans() -> list[dict[str, Any]]:
    """Return the plans as `GET /v1/billing/plans` returns them."""
    return [plan_item(plan) for plan in provided(Organizations).plans.values()]


@cache
def _describe(blueprints: tuple[Blueprint, ...]) -> tuple[Operation, ...]:
    """Return the operations of the document, without their scopes; made once in a process."""
    described = json.loads(document(blueprints))
    tags = [tag["name"] for tag in described["tags"]]
    found = _operations(described["paths"])
    return tuple(sorted(found, key=lambda each: tags.index(each.fragment.split("/")[1])))


def _operations(paths: dict[str, dict[str, Any]]) -> Iterator[Operation]:
    for path, item in paths.items():
        if path.startswith("/v1/"):
            for method in (name for name in item if name != "parameters"):
                operation = item[method]
                # Swagger UI's address of an operation.
                steps = ("#", operation["tags"][0], operation["operationId"])
                summary = to_html(operation["summary"])
                yield Operation(method.upper(), path, "", summary, "/".join(steps))
